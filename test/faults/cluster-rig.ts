// distributed_cuckoo as a process, on SQLite, in front of three stand-in Cuckoos, one of which a cell breaks by half.
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CuckooOptions,
  type CuckooStandIn,
  freePort,
  type LogLine,
  type ServiceProcess,
  startCuckoo,
  startService,
} from '@cuckoo-distributed/testing'
import { type SandboxStandIn, sandboxKeys } from './sandboxes.js'
import { buildChanged, type Change } from './variant.js'

const SERVICE = 'distributed_cuckoo'
/** Of the node that is to break. */
export const BROKEN = 'broken'
export const HEALTHY = ['healthy-1', 'healthy-2'] as const
const NAMES = [BROKEN, ...HEALTHY]

export interface ClusterOptions {
  /** Keys of the configuration that differ. */
  readonly config?: object
  /** What the service is built with. */
  readonly changes?: readonly Change[]
  /** Of all nodes. */
  readonly cuckoo?: CuckooOptions
  /** Starts the node of a name. Default: a Cuckoo with these options. */
  readonly startNode?: (name: string) => Promise<SandboxStandIn>
}

/** As `GET /task` and, with what is missing, `GET /task/<id>` show it. */
export interface ShownTask {
  readonly id: number
  readonly status: string
  readonly node: string | null
  readonly missing_reports?: Readonly<Record<string, { readonly reason: string | null }>>
}

/** As `GET /node/<name>` and `GET /status` show it. */
export interface ShownNode {
  readonly state: string
  readonly error: string | null
}

let serial = 0

export class Cluster {
  /** By task id, the SHA-256 of its sample, which no other task has. */
  readonly samples = new Map<number, string>()
  /** Ends of the service that nobody asked for. */
  readonly crashes: string[] = []
  readonly #start: () => Promise<ServiceProcess>
  readonly #processes: ServiceProcess[] = []
  readonly #url: string
  readonly #folder: string
  readonly #nodes: ReadonlyMap<string, SandboxStandIn>
  readonly #remove: (() => Promise<void>) | undefined
  #stopping = false

  /** @internal Use `startCluster`. */
  constructor(parts: {
    start: () => Promise<ServiceProcess>
    url: string
    folder: string
    nodes: ReadonlyMap<string, SandboxStandIn>
    /** Undoes what was built for it. */
    remove: (() => Promise<void>) | undefined
  }) {
    this.#start = parts.start
    this.#url = parts.url
    this.#folder = parts.folder
    this.#nodes = parts.nodes
    this.#remove = parts.remove
  }

  /** Of all processes so far. */
  get log(): readonly LogLine[] {
    return this.#processes.flatMap(({ log }) => log)
  }

  /** Starts the service; resolves when it listens. */
  async start(): Promise<void> {
    const process = await this.#start()
    this.#processes.push(process)
    this.#stopping = false
    void process.exit.then(({ code, signal }) => {
      if (!this.#stopping) this.crashes.push(`${SERVICE} (${signal ?? code}): ${process.tail(5)}`)
    })
    await process.waitForLog('listening')
  }

  /** SIGKILL, and started again at once. */
  async kill(): Promise<void> {
    this.#stopping = true
    await this.#processes.at(-1)?.kill()
    await this.start()
  }

  get nodes(): readonly SandboxStandIn[] {
    return [...this.#nodes.values()]
  }

  /** The node that is to break. */
  get broken(): CuckooStandIn {
    const node = this.#nodes.get(BROKEN)
    if (node?.kind !== 'cuckoo') throw new RangeError('no Cuckoo is to break')
    return node
  }

  /** Registers all nodes, disabled. */
  async register(): Promise<void> {
    for (const [name, { url }] of this.#nodes) {
      await this.#request('/node', { method: 'POST', body: new URLSearchParams({ name, url }) })
      await this.enable([name], false)
    }
  }

  async enable(names: readonly string[], enabled = true): Promise<void> {
    const body = new URLSearchParams({ enabled: String(Number(enabled)) })
    await Promise.all(names.map(name => this.#request(`/node/${name}`, { method: 'PUT', body })))
  }

  /** Submits so many new samples; resolves with the ids of their tasks. */
  async submit(count: number): Promise<number[]> {
    const ids: number[] = []
    while (ids.length < count) ids.push(await this.#submitOne())
    return ids
  }

  async tasks(): Promise<ShownTask[]> {
    return Object.values<ShownTask>(Object(await this.#request('/task')).tasks)
  }

  /** With its missing reports. */
  async task(id: number): Promise<ShownTask> {
    return Object(await this.#request(`/task/${id}`)).tasks[id]
  }

  async node(name: string): Promise<ShownNode> {
    const { status: state } = Object(await this.#request(`/node/${name}`))
    const { error } = Object(await this.#request('/status')).node_states[name]
    return { state, error }
  }

  /** Why the stored JSON report is not the whole one of the task's sample; undefined when it is. */
  async flawOf(id: number): Promise<string | undefined> {
    try {
      const { target } = JSON.parse(await readFile(this.#reportPath(id), 'utf8'))
      return target.file.sha256 === this.samples.get(id) ? undefined : 'is of another sample'
    } catch (error: unknown) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  /** When the JSON report got its name, in milliseconds since 1970; infinitely late when there is none. */
  async storedAt(id: number): Promise<number> {
    const found = await stat(this.#reportPath(id)).catch(() => undefined)
    return found?.ctimeMs ?? Number.POSITIVE_INFINITY
  }

  async close(): Promise<void> {
    this.#stopping = true
    await this.#processes.at(-1)?.stop({ deadlineMs: 15_000 })
    await Promise.all(this.nodes.map(node => node.close()))
    await rm(this.#folder, { recursive: true, force: true })
    await this.#remove?.()
  }

  #reportPath(id: number): string {
    return join(this.#folder, 'reports', String(id), 'report.json')
  }

  async #submitOne(): Promise<number> {
    serial += 1
    const content = `MZ sample ${serial} of a cluster`
    const form = new FormData()
    form.append('file', new Blob([content]), `sample ${serial}.exe`)
    const { task_id: id } = Object(await this.#request('/task', { method: 'POST', body: form }))
    this.samples.set(id, createHash('sha256').update(content).digest('hex'))
    return id
  }

  async #request(path: string, init: RequestInit = {}): Promise<unknown> {
    const response = await fetch(this.#url + path, init)
    if (response.ok) return response.json()
    throw new Error(`${path}: HTTP ${response.status}: ${await response.text()}`)
  }
}

/** Starts the service and its nodes, which are registered and get no tasks until they are enabled. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { config = {}, changes = [], cuckoo, startNode = () => startCuckoo(cuckoo) } = options
  const folder = await mkdtemp(join(tmpdir(), 'cluster-'))
  const variant = changes.length > 0 ? await buildChanged(SERVICE, changes) : undefined
  const nodes = new Map<string, SandboxStandIn>()
  for (const name of NAMES) nodes.set(name, await startNode(name))
  const port = await freePort()
  const settings = {
    Port: port,
    Database: `sqlite:///${join(folder, 'dist.db')}`,
    SamplesDirectory: join(folder, 'samples'),
    ReportsDirectory: join(folder, 'reports'),
    ReportFormats: ['json'],
    Interval: 0.2,
    NodeTimeout: 4,
    MinFreeSpace: 0,
    LogLevel: 'debug',
    ...Object.assign({}, ...[...nodes.values()].map(node => sandboxKeys(node, 'NodeTokens'))),
    ...config,
  }
  const start = () => startService(variant?.build ?? SERVICE, { config: settings })
  const cluster = new Cluster({ start, url: `http://127.0.0.1:${port}`, folder, nodes, remove: variant?.remove })
  try {
    await cluster.start()
    await cluster.register()
    return cluster
  } catch (error: unknown) {
    await cluster.close()
    throw error
  }
}
