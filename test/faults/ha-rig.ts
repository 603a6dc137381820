// Three servers of distributed_cuckoo that share one PostgreSQL, each behind a proxy of its own, and the directories; three nodes.
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  type CuckooStandIn,
  freePort,
  type PostgresOptions,
  type ServiceProcess,
  startCuckoo,
  startPostgres,
  startService,
  TcpProxy,
  type TestPostgres,
  waitFor,
} from '@cuckoo-distributed/testing'
import { buildChanged, type Change } from './variant.js'

const SERVICE = 'distributed_cuckoo'
const SCHEDULES = 'this process is now the scheduler'
const FINISHED = 'task finished'
const CLOCK = pathToFileURL(join(import.meta.dirname, 'clock.js')).href
/** The promise. */
const LEADER_MS = 15_000
const ANSWER_MS = 10_000

export class HaServer {
  readonly proxy: TcpProxy
  /** A fault has stopped or killed it, so that it owes no answer. */
  isDown = false
  readonly #config: object
  readonly #build: string
  readonly #env: NodeJS.ProcessEnv
  readonly #port: number
  #process: ServiceProcess | undefined

  constructor(parts: { proxy: TcpProxy; config: object; build: string; env: NodeJS.ProcessEnv; port: number }) {
    this.proxy = parts.proxy
    this.#config = parts.config
    this.#build = parts.build
    this.#env = parts.env
    this.#port = parts.port
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get process(): ServiceProcess {
    if (this.#process === undefined) throw new RangeError('the server was not started')
    return this.#process
  }

  /** When it last began to schedule, in milliseconds since 1970; never = 0. */
  get scheduledAt(): number {
    const line = this.process.log.findLast(({ msg }) => msg === SCHEDULES)
    return line === undefined ? 0 : Date.parse(String(line.time))
  }

  async start(): Promise<void> {
    this.#process = await startService(this.#build, { config: { ...this.#config, Port: this.#port }, env: this.#env })
    await this.#process.waitForLog('listening')
    this.isDown = false
  }

  signal(signal: NodeJS.Signals): void {
    this.isDown = ['SIGKILL', 'SIGSTOP'].includes(signal)
    this.process.signal(signal)
  }
}

export class HaRig {
  /** By task id, the SHA-256 of its sample, which no other task has. */
  readonly accepted = new Map<number, string>()
  readonly servers: HaServer[] = []
  readonly nodes: CuckooStandIn[] = []
  /** Exists: the server that is next about to send a task removes it, and stops itself (see `STOPS_BEFORE_SENDING`). */
  readonly stopFile: string
  readonly folder: string
  readonly postgres: TestPostgres
  readonly database: string
  /** How many times as long as promised is waited: 1 on a machine that has nothing else to do. */
  readonly #patience: number
  #serial = 0

  constructor({ folder, postgres, database, patience }: Pick<HaRig, 'folder' | 'postgres' | 'database'> & Patience) {
    this.#patience = patience
    this.folder = folder
    this.stopFile = join(folder, 'stop')
    this.postgres = postgres
    this.database = database
  }

  /** The server that began to schedule last, after `since` (milliseconds since 1970). Throws WaitError when none has within 15 s. */
  async leader(since = 0): Promise<HaServer> {
    const latest = () => this.servers.toSorted((a, b) => b.scheduledAt - a.scheduledAt)[0]
    const found = () => (latest()?.scheduledAt ?? 0) > since && latest()
    return waitFor(found, { deadlineMs: LEADER_MS * this.#patience, describe: 'a server to schedule' })
  }

  /** Resolves when a server has begun to schedule, or finished a task, after `since`. Throws WaitError when none has within 15 s. */
  async goesOn(since: number): Promise<void> {
    const lines = () => this.servers.flatMap(({ process }) => process.log)
    const isSign = (msg: unknown) => msg === SCHEDULES || msg === FINISHED
    const found = () => lines().some(({ msg, time }) => isSign(msg) && Date.parse(String(time)) > since)
    await waitFor(found, {
      deadlineMs: LEADER_MS * this.#patience,
      describe: 'a server to schedule, or to finish a task',
    })
  }

  /** Submits a new sample to one server after the other until one takes it; complaints about their answers go to `unmet`. */
  async submit(unmet: string[]): Promise<void> {
    this.#serial += 1
    const content = `MZ sample ${this.#serial} of three servers`
    const form = new FormData()
    form.append('file', new Blob([content]), 'sample.exe')
    let turn = this.#serial
    const id = await waitFor(
      async () => {
        turn += 1
        const server = this.servers[turn % this.servers.length]
        if (server === undefined || server.isDown) return undefined
        const answer = await this.ask(server, '/task', unmet, { method: 'POST', body: form })
        return answer?.status === 200 && Number(Object(await answer.json()).task_id)
      },
      { everyMs: 100, describe: 'a sample to be accepted' },
    )
    this.accepted.set(id, createHash('sha256').update(content).digest('hex'))
  }

  /** Asks a server; undefined when it is down. It owes 200 or 503, within ten seconds. */
  async ask(server: HaServer, path: string, unmet: string[], init: RequestInit = {}): Promise<Response | undefined> {
    const limit = AbortSignal.timeout(ANSWER_MS * this.#patience)
    try {
      const answer = await fetch(server.url + path, { ...init, headers: { connection: 'close' }, signal: limit })
      if (![200, 503].includes(answer.status)) unmet.push(`${path}: ${answer.status}: ${await answer.text()}`)
      return answer
    } catch (error: unknown) {
      if (!server.isDown) unmet.push(`${path}: ${error instanceof Error ? `${error.message} ${error.cause}` : error}`)
      return undefined
    }
  }

  /** Why the stored JSON report is not the whole one of the task's sample; undefined when it is. */
  async flawOf(id: number, sha256: string): Promise<string | undefined> {
    try {
      const report = join(this.folder, 'reports', String(id), 'report.json')
      const { target } = JSON.parse(await readFile(report, 'utf8'))
      return target.file.sha256 === sha256 ? undefined : 'is of another sample'
    } catch (error: unknown) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  async close(): Promise<void> {
    for (const { process, proxy } of this.servers) {
      await process.kill()
      proxy.close()
    }
    await Promise.all(this.nodes.map(node => node.close()))
    await this.postgres.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}

export interface Patience {
  readonly patience: number
}

/** Starts everything; the nodes are registered. */
export async function startHa(
  changes: readonly Change[],
  { patience, ...options }: PostgresOptions & Patience,
): Promise<HaRig> {
  const folder = await mkdtemp(join(tmpdir(), 'ha-'))
  const postgres = await startPostgres(options)
  const database = await postgres.createDatabase()
  const rig = new HaRig({ folder, postgres, database, patience })
  const variant = changes.length > 0 ? await buildChanged(SERVICE, changes) : undefined
  const config = {
    SamplesDirectory: join(folder, 'samples'),
    ReportsDirectory: join(folder, 'reports'),
    ReportFormats: ['json'],
    Interval: 0.5,
    MinFreeSpace: 0,
  }
  const env = { STOP_FILE: rig.stopFile, NODE_OPTIONS: `--import ${CLOCK}` }
  for (let i = 0; i < 3; i += 1) {
    const proxy = await TcpProxy.start({ port: Number(new URL(database).port) })
    const own = { ...config, Database: proxy.through(database) }
    rig.servers.push(
      new HaServer({ proxy, config: own, build: variant?.build ?? SERVICE, env, port: await freePort() }),
    )
  }
  await Promise.all(rig.servers.map(server => server.start()))
  await variant?.remove()
  for (const version of ['1.2', '1.3', '2.0'] as const) {
    const node = await startCuckoo({ version, analysisTime: 300 })
    rig.nodes.push(node)
    const body = new URLSearchParams({ name: `n${rig.nodes.length}`, url: node.url })
    const answer = await fetch(`${rig.servers[0]?.url}/node`, { method: 'POST', body })
    if (!answer.ok) throw new Error(await answer.text())
  }
  return rig
}
