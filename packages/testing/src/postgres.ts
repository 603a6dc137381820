/** A private PostgreSQL server: own port and folder, gone without a trace when this process ends, in whatever way. */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, chownSync, constants, existsSync, mkdtempSync, readdirSync } from 'node:fs'
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
  stop(): Promise<void>
}

// The end of its input is the end of its owner: the kernel closes that pipe after SIGKILL too, where no exit handler runs.
const GUARD = `
exec 3<&0
"$@" 3<&- &
server=$!
( cat <&3; kill -INT $server ) &
wait $server
rm -rf -- "$FOLDER"
`

/** Starts a server, or uses that of POSTGRES_URL, whose user must be allowed to make databases. */
export async function startPostgres(): Promise<TestPostgres> {
  const given = process.env.POSTGRES_URL
  if (given !== undefined) return administer(given, async () => {})
  const programs = findPrograms()
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  const prefix = asOtherUser(folder)
  const data = join(folder, 'data')
  const [initdb = '', ...initArguments] = [...prefix, join(programs, 'initdb')]
  execFileSync(initdb, [...initArguments, '--auth=trust', '--username=test', '--no-sync', '-D', data], {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: '/',
  })
  const port = await freePort()
  const server = [...prefix, join(programs, 'postgres'), '-D', data, '-k', folder, '-p', String(port)]
  const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', 'max_connections=60', '-c', 'log_min_messages=fatal']
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', ...server, ...settings], {
    cwd: '/',
    detached: true,
    env: { ...process.env, FOLDER: folder },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = once(guard, 'close')
  const url = `postgres://test@127.0.0.1:${port}/postgres`
  await waitFor(() => answers(url), { deadlineMs: 60_000, everyMs: 100, describe: 'PostgreSQL to answer' })
  return administer(url, async () => {
    guard.stdin?.end()
    await ended
  })
}

function administer(url: string, stop: () => Promise<void>): TestPostgres {
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
    stop,
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
