/** A strict stand-in for the Cuckoo sandbox's REST API, for tests and the demo. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream/promises'
import { type FaultRule, FaultScript, type HttpFault, Outage, playFault } from '../faults.js'
import { reset } from '../reset.js'
import { AcceptQueue } from './accept-queue.js'
import { type Answer, apiError } from './answer.js'
import { type CuckooVersion, FLAVOURS, type Flavour } from './flavour.js'
import type { PythonValue } from './python-json.js'
import { answerRequest } from './routes.js'
import { Sandbox, type SandboxOptions } from './sandbox.js'
import { type CuckooRequest, sendAnswer } from './send.js'
import { type CuckooTask, knownTask, type TaskStatus } from './task.js'

/** Bytes of a disk as `/cuckoo/status` shows them. */
export interface Diskspace {
  readonly free: number
  readonly total: number
  readonly used: number
}

/** Faults that only a Cuckoo has; they are scripted like the others. */
export type CuckooFault =
  | HttpFault
  /** The database is locked: a view answers 404, lists are empty, all counters are 0, a create gives `task_id: null`. */
  | { kind: 'databaseError' }
  /** A create answers 200 with `task_id: null` and stores nothing. */
  | { kind: 'nullTask' }
  /** The answer's headers and this many bytes of its body are sent, then the connection is cut. */
  | { kind: 'cutAnswer'; afterBytes: number }
  /** The body of the answer comes a byte at a time, `everyMs` milliseconds apart. */
  | { kind: 'drip'; everyMs: number }

export interface CuckooOptions extends Partial<Omit<SandboxOptions, 'version'>> {
  /** Default `1.2`. */
  readonly version?: CuckooVersion
  /** One TCP connection at a time, like the built-in web servers. Default true; false is a Cuckoo behind uWSGI. */
  readonly singleThreaded?: boolean
  /** Default 0: any free port. */
  readonly port?: number
  /** 2.0 only: every request must carry `Authorization: Bearer <apiToken>`. */
  readonly apiToken?: string
  /** Default 64 GiB free; 1.2 shows none unless it is given here (patched servers call it `reports` and `samples`). */
  readonly diskspace?: Diskspace | Record<string, never>
}

/** Something a client did that works here but is wrong, or wrong elsewhere. */
export interface CuckooViolation {
  readonly rule: string
  readonly path: string
  readonly detail: string
}

/** Starts a stand-in on 127.0.0.1. Rejects when `port` is taken. */
export async function startCuckoo(options: CuckooOptions = {}): Promise<CuckooStandIn> {
  const standIn = new CuckooStandIn(options)
  await standIn.up()
  return standIn
}

const DISK = { free: 64 * 2 ** 30, total: 256 * 2 ** 30, used: 192 * 2 ** 30 }

export class CuckooStandIn implements AsyncDisposable {
  readonly kind = 'cuckoo'
  readonly journal: CuckooRequest[] = []
  readonly violations: CuckooViolation[] = []
  /** Faults for requests to come; paths are matched without `/v1` and query. */
  readonly faults = new FaultScript<CuckooFault>()
  /** What the status shows from now on: lower `free` for a full disk, `{}` for a host without statvfs. */
  diskspace: Diskspace | Record<string, never> | undefined
  readonly #flavour: Flavour
  readonly #version: CuckooVersion
  readonly #apiToken: string | undefined
  readonly #queue: AcceptQueue
  readonly #outage: Outage
  readonly #closing = new AbortController()
  readonly #sandboxOptions: SandboxOptions
  #sandbox: Sandbox

  constructor(options: CuckooOptions = {}) {
    this.#version = options.version ?? '1.2'
    this.#flavour = FLAVOURS[this.#version]
    this.#apiToken = options.apiToken
    this.diskspace = options.diskspace ?? (this.#flavour.diskspace ? DISK : undefined)
    this.#sandboxOptions = {
      version: this.#version,
      machines: options.machines ?? 2,
      machineTags: options.machineTags ?? [],
      analysisTime: options.analysisTime ?? 50,
      processingTime: options.processingTime ?? 0,
      ...{ report: options.report, dropped: options.dropped, artifacts: options.artifacts },
    }
    this.#sandbox = new Sandbox(this.#sandboxOptions)
    this.#queue = new AcceptQueue(
      (request, response) => void this.#serve(request, response),
      options.singleThreaded ?? true,
    )
    this.#outage = new Outage(this.#queue.server, '127.0.0.1', options.port ?? 0)
  }

  /** Without a trailing slash, e.g. `http://127.0.0.1:34567`. */
  get url(): string {
    return `http://127.0.0.1:${this.#outage.port}`
  }

  /** The tasks that exist now, by id. */
  get tasks(): ReadonlyMap<number, CuckooTask> {
    return this.#sandbox.tasks
  }

  /** Every task that was ever created since the start or the last `clean`, deleted ones included. */
  get submissions(): readonly CuckooTask[] {
    return this.#sandbox.submissions
  }

  /** The most connections that were open at once. */
  get peakConnections(): number {
    return this.#queue.peak
  }

  /** Moves a task to a status at once, e.g. from `running` to `failed_analysis`. Throws RangeError for an unknown id. */
  move(id: number, status: TaskStatus, error?: string): void {
    this.#sandbox.move(knownTask(this.#sandbox.tasks, id), status, error)
  }

  /** Puts tasks of other people there, reported at these times and without reports; they are no `submissions`. */
  remember(completedOn: readonly Date[]): Promise<void> {
    return this.#sandbox.remember(completedOn)
  }

  /**
   * What a start with `reschedule = on` does to a running task: it is `recovered`, and a new one has the same file, `custom`
   * and options. Returns the new task. Throws RangeError for an unknown id.
   */
  reschedule(id: number): CuckooTask {
    const task = knownTask(this.#sandbox.tasks, id)
    this.#sandbox.move(task, 'recovered')
    return this.#sandbox.add(task)
  }

  /** Removes a task and its files as if someone else had deleted it. Throws RangeError for an unknown id. */
  vanish(id: number): void {
    this.#sandbox.remove(knownTask(this.#sandbox.tasks, id))
  }

  /** `cuckoo clean`: all tasks are gone and ids begin at 1 again. */
  clean(): void {
    this.#sandbox.stop()
    this.#sandbox = new Sandbox(this.#sandboxOptions)
  }

  /** Cuts all connections and refuses new ones; analyses go on. */
  down(): Promise<void> {
    return this.#outage.down()
  }

  /** Answers again, on the same port. */
  up(): Promise<void> {
    return this.#outage.up()
  }

  /** Ends everything: timers, waiting requests, connections. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the stand-in closes'))
    this.#sandbox.stop()
    await this.#outage.down()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    const entry = { method, path: url, status: 0, received: 0, sent: 0 }
    this.journal.push(entry)
    request.on('data', (chunk: Buffer) => {
      entry.received += chunk.length
    })
    request.pause()
    try {
      await this.#answer(request, response, entry)
    } catch (error: unknown) {
      // A client that went away is no error: the journal's status and byte counts tell how far its answer came.
      if (!request.socket.destroyed && !this.#closing.signal.aborted) throw error
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, entry: CuckooRequest): Promise<void> {
    const [path = ''] = entry.path.replace(/^\/v1(?=\/)/, '').split('?')
    const fault = this.faults.take(entry.method, path)
    response.shouldKeepAlive = false
    if (fault?.kind === 'hang') request.socket.once('end', () => request.socket.destroy())
    if (request.headers.expect !== undefined && this.#flavour.framework === 'flask') response.writeContinue()
    if ((await playFault(fault, request, response, this.#closing.signal)) === 'over') {
      if (response.headersSent) entry.status = response.statusCode
      return
    }
    const answer = await this.#route(request, entry, path, fault)
    if (!request.readableDidRead) {
      request.resume()
      await finished(request)
    }
    if (fault?.kind === 'lostAfterStore') {
      reset(request.socket)
      return
    }
    const limit = fault?.kind === 'cutAnswer' ? fault.afterBytes : Number.POSITIVE_INFINITY
    const everyMs = fault?.kind === 'drip' ? fault.everyMs : 0
    await sendAnswer(request, answer, this.#flavour, { entry, limit, everyMs })
  }

  async #route(
    request: IncomingMessage,
    entry: CuckooRequest,
    path: string,
    fault: FaultRule<CuckooFault> | undefined,
  ): Promise<Answer> {
    const url = `http://${request.headers.host ?? '127.0.0.1'}${entry.path}`
    if (this.#apiToken !== undefined && request.headers.authorization !== `Bearer ${this.#apiToken}`) {
      const message = "Authentication in the form of an 'Authorization: Bearer <TOKEN>' header is required"
      return apiError(this.#flavour, 401, message, url)
    }
    return answerRequest({
      request,
      path,
      query: new URLSearchParams(entry.path.split('?')[1] ?? ''),
      flavour: this.#flavour,
      version: this.#version,
      sandbox: this.#sandbox,
      diskspace: this.#diskspaceJson(),
      url,
      fault: fault?.kind === 'databaseError' || fault?.kind === 'nullTask' ? fault.kind : undefined,
      complain: (rule, detail) => this.violations.push({ rule, path: entry.path, detail }),
    })
  }

  #diskspaceJson(): PythonValue | undefined {
    const disk = this.diskspace
    if (disk === undefined || !('free' in disk)) return disk
    const shown: PythonValue = { free: disk.free, total: disk.total, used: disk.used }
    return this.#version === '1.2' ? { reports: shown, samples: shown } : { analyses: shown, binaries: shown }
  }
}
