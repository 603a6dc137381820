/** A private PostgreSQL server: own port and folder, gone without a trace when this process ends, in whatever way. */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, chownSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, statSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import pg from 'pg'
import { freePort } from './rabbitmq-setup.js'
import { waitFor } from './wait-for.js'

export interface TestPostgres {
  /** Makes an empty database and resolves with its URL. */
  createDatabase(): Promise<string>
  /** Kills the process behind one connection to a database (SIGKILL), whereupon the server ends all others and recovers from its log. */
  crash(url: string): Promise<void>
  /** Ends all connections to a database from the server's side, as a failover does. */
  cutConnections(url: string): Promise<void>
  /** Fills the small file system of its data (see PostgresOptions); resolves with what makes room again. */
  fill(): Promise<() => Promise<void>>
  /** Starts it, stopping it before if it runs; resolves when it answers. */
  restart(): Promise<void>
  stop(): Promise<void>
}

const PAGE = Buffer.alloc(4096)

// The end of its input is the end of its owner: the kernel closes that pipe after SIGKILL too, where no exit handler runs. A line starts
// the server anew.
const GUARD = `
exec 3<&0
"$@" 3<&- & server=$!
while read -r line <&3; do
  kill -INT $server
  wait $server
  "$@" 3<&- & server=$!
done
kill -INT $server
wait $server
[ -z "$SMALL" ] || umount -l "$FOLDER/data"
rm -rf -- "$FOLDER"
`

export interface PostgresOptions {
  /** Size of a file system for its data alone, which only root can mount. Default: no such file system. */
  readonly bytes?: number
  /** Its write-ahead log is elsewhere, and never full. */
  readonly hasLogElsewhere?: boolean
}

/** Starts a server, or uses that of POSTGRES_URL, whose user must be allowed to make databases. */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const given = process.env.POSTGRES_URL
  if (given !== undefined) return administer(given, { stop: async () => {}, fill: notOurs, restart: notOurs })
  const programs = findPrograms()
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  const prefix = asOtherUser(folder)
  const data = join(folder, 'data')
  if (options.bytes !== undefined) mountSmall(data, options.bytes, folder)
  const [initdb = '', ...initArguments] = [...prefix, join(programs, 'initdb')]
  const segments = options.bytes === undefined ? [] : ['--wal-segsize=1']
  const log = options.hasLogElsewhere === true ? [`--waldir=${join(folder, 'log')}`] : []
  const layout = ['--auth=trust', '--username=test', '--no-sync', ...segments, ...log, '-D', data]
  execFileSync(initdb, [...initArguments, ...layout], { stdio: ['ignore', 'ignore', 'inherit'], cwd: '/' })
  const port = await freePort()
  const server = [...prefix, join(programs, 'postgres'), '-D', data, '-k', folder, '-p', String(port)]
  const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', 'max_connections=60', '-c', 'log_min_messages=fatal']
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', ...server, ...settings], {
    cwd: '/',
    detached: true,
    env: { ...process.env, FOLDER: folder, SMALL: String(options.bytes ?? '') },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = once(guard, 'close')
  const url = `postgres://test@127.0.0.1:${port}/postgres`
  const answering = async () => {
    await waitFor(() => answers(url), { everyMs: 100, describe: 'PostgreSQL to answer' })
  }
  await answering()
  return administer(url, {
    async fill() {
      const makeRoom = await fill(data)
      if (options.hasLogElsewhere !== true) await fillLog(url)
      return makeRoom
    },
    async restart() {
      guard.stdin?.write('\n')
      await answering()
    },
    async stop() {
      guard.stdin?.end()
      await ended
    },
  })
}

/** The program's own file system, of a folder that has its owner already. */
function mountSmall(data: string, bytes: number, folder: string): void {
  mkdirSync(data)
  const { uid, gid } = statSync(folder)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700,uid=${uid},gid=${gid}`, 'tmpfs', data])
}

/** Takes all room that is left in a small file system; resolves with what gives it back. */
async function fill(data: string): Promise<() => Promise<void>> {
  const filler = join(data, 'filler')
  const file = await open(filler, 'w')
  try {
    // By pages: a larger write that does not fit may leave some room.
    for (;;) await file.write(PAGE)
  } catch (error: unknown) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  } finally {
    await file.close()
  }
  return () => rm(filler)
}

/** Writes to its log until it dies of that: the log has room for itself until then. */
async function fillLog(url: string): Promise<void> {
  const message = "select pg_logical_emit_message(true, 'filler', repeat('x', 500000))"
  const grow = async (): Promise<void> => {
    await query(url, message)
    await grow()
  }
  await grow().catch(() => undefined)
}

async function notOurs(): Promise<never> {
  throw new RangeError('the server of POSTGRES_URL is not to be filled or stopped')
}

function administer(url: string, own: Pick<TestPostgres, 'fill' | 'restart' | 'stop'>): TestPostgres {
  const database = (name: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href
  return {
    async createDatabase() {
      const name = `test_${randomBytes(6).toString('hex')}`
      await query(url, `create database ${name}`)
      return database(name)
    },
    async cutConnections(target) {
      const name = new URL(target).pathname.slice(1)
      await query(url, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
    },
    async crash(target) {
      const name = new URL(target).pathname.slice(1)
      const [row] = await query(url, `select pid from pg_stat_activity where datname = '${name}' limit 1`)
      if (row !== undefined) process.kill(Number(row.pid), 'SIGKILL')
    },
    ...own,
  }
}

async function query(url: string, sql: string): Promise<{ readonly pid?: unknown }[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined) // rejects what is awaited as well
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await query(url, 'select 1')
    return true
  } catch {
    return false
  }
}

/** The folder with initdb and postgres; Debian keeps them out of the PATH. */
function findPrograms(): string {
  const packaged = '/usr/lib/postgresql'
  const versions = existsSync(packaged) ? readdirSync(packaged).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...versions.map(version => join(packaged, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter).filter(Boolean),
  ]
  const found = folders.find(folder => isProgram(join(folder, 'initdb')))
  if (found !== undefined) return found
  throw new Error(
    'PostgreSQL is not installed: run `apt-get update && apt-get install --no-install-recommends postgresql` as root, or ' +
      'set POSTGRES_URL to a server whose user may make databases',
  )
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** PostgreSQL refuses to run as root: then it runs as the user of its package, who is given the folder. */
function asOtherUser(folder: string): string[] {
  if (process.getuid?.() !== 0) return []
  const id = (option: string) => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
  const [uid, gid] = [id('-u'), id('-g')]
  chownSync(folder, uid, gid)
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']
}
