/** A strict stand-in for CAPE's REST API (`kevoreilly/CAPEv2:web/apiv2`), for tests and the demo. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { finished } from 'node:stream/promises'
import { Sandbox } from '../cuckoo/sandbox.js'
import type { CuckooRequest } from '../cuckoo/send.js'
import type { CuckooViolation } from '../cuckoo/stand-in.js'
import { type CuckooTask, knownTask, type TaskStatus } from '../cuckoo/task.js'
import { FaultScript, type HttpFault, Outage, playFault } from '../faults.js'
import { reset } from '../reset.js'
import { Access } from './access.js'
import { API_HEADERS, type CapeAnswer, detail, page } from './answer.js'
import type { CapeContext } from './context.js'
import { type CapeOptions, type CapeSection, OFF_BY_DEFAULT } from './options.js'
import { answerCape, pathProblem } from './routes.js'
import type { TaskFacts } from './task-json.js'

/** Starts a stand-in on 127.0.0.1. Rejects when the port is taken. */
export async function startCape(options: CapeOptions = {}): Promise<CapeStandIn> {
  const standIn = new CapeStandIn(options)
  await standIn.up()
  return standIn
}

export class CapeStandIn implements AsyncDisposable {
  readonly kind = 'cape'
  readonly journal: CuckooRequest[] = []
  readonly violations: CuckooViolation[] = []
  /** Faults for requests to come; paths are matched without the query. */
  readonly faults = new FaultScript<HttpFault>()
  /** GiB free on `/`, as the status shows them from now on. */
  freeGiB: number
  readonly #options: CapeOptions
  readonly #sandbox: Sandbox
  readonly #facts = new WeakMap<CuckooTask, TaskFacts>()
  readonly #lost = new WeakSet<CuckooTask>()
  readonly #on: Set<CapeSection | undefined>
  readonly #off: Set<CapeSection>
  readonly #access: Access
  readonly #outage: Outage
  readonly #closing = new AbortController()

  constructor(options: CapeOptions = {}) {
    this.#options = options
    this.freeGiB = options.freeGiB ?? 72
    this.#on = new Set(options.on)
    this.#off = new Set([...OFF_BY_DEFAULT.filter(section => !this.#on.has(section)), ...(options.off ?? [])])
    this.#access = new Access(options)
    this.#sandbox = new Sandbox({
      version: '2.0',
      machines: options.machines ?? 2,
      idle: options.idle ?? false,
      machineTags: options.machineTags ?? [],
      analysisTime: options.analysisTime ?? 50,
      processingTime: options.processingTime ?? 0,
      idsNeverReturn: options.server === 'production',
      // What CAPE writes is made when it is asked for.
      report: () => null,
      dropped: () => null,
    })
    const server = createServer((request, response) => void this.#serve(request, response))
    server.on('checkContinue', (request, response) => {
      response.writeContinue()
      void this.#serve(request, response)
    })
    this.#outage = new Outage(server, '127.0.0.1', options.port ?? 0)
  }

  /** Of the API, without a trailing slash, e.g. `http://127.0.0.1:34567/apiv2`. */
  get url(): string {
    return `http://127.0.0.1:${this.#outage.port}/apiv2`
  }

  get tasks(): ReadonlyMap<number, CuckooTask> {
    return this.#sandbox.tasks
  }

  /** Every task that was ever created, deleted ones included. */
  get submissions(): readonly CuckooTask[] {
    return this.#sandbox.submissions
  }

  /** Moves a task to a status at once. Throws RangeError for an unknown id. */
  move(id: number, status: TaskStatus, error?: string): void {
    this.#sandbox.move(knownTask(this.#sandbox.tasks, id), status, error)
  }

  /** What a restart does to a running task: it is recovered, and a new one has the same file, options and `custom`. */
  reschedule(id: number): CuckooTask {
    const task = knownTask(this.#sandbox.tasks, id)
    this.#sandbox.move(task, 'recovered')
    const next = this.#sandbox.add(task)
    this.#facts.set(next, this.#facts.get(task) ?? { user: '', tlp: null, tagsTasks: null })
    return next
  }

  /** As `reschedule`, but by `/tasks/reschedule/<id>/`, which notes the new id in `custom` of the old task. */
  rescheduleByApi(id: number): CuckooTask {
    const next = this.reschedule(id)
    Object.assign(knownTask(this.#sandbox.tasks, id), { custom: `Recovery_${next.id}` })
    return next
  }

  /** Removes the folder of an analysis; the row stays. */
  lose(id: number): void {
    this.#lost.add(knownTask(this.#sandbox.tasks, id))
  }

  /** Gives a task a TLP. */
  mark(id: number, tlp: string): void {
    const task = knownTask(this.#sandbox.tasks, id)
    const facts = this.#facts.get(task) ?? { user: '', tagsTasks: null }
    this.#facts.set(task, { ...facts, tlp })
  }

  /** Removes a task as if someone else had deleted it. */
  vanish(id: number): void {
    this.#sandbox.remove(knownTask(this.#sandbox.tasks, id))
  }

  /** Removes all tasks as if someone else had deleted them; ids begin at 1 again, but not on PostgreSQL. */
  clean(): void {
    for (const task of [...this.#sandbox.tasks.values()]) this.#sandbox.remove(task)
  }

  /** An administrator switches an endpoint. */
  switch(section: CapeSection, to: 'on' | 'off'): void {
    if (to === 'on') this.#off.delete(section)
    else this.#off.add(section)
  }

  /** Cuts all connections and refuses new ones; analyses go on. */
  down(): Promise<void> {
    return this.#outage.down()
  }

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
    const entry: CuckooRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      status: 0,
      received: 0,
      sent: 0,
    }
    this.journal.push(entry)
    request.on('data', (chunk: Buffer) => {
      entry.received += chunk.length
    })
    request.pause()
    response.shouldKeepAlive = false
    try {
      const [path = ''] = entry.path.split('?')
      const fault = this.faults.take(entry.method, path)
      if ((await playFault(fault, request, response, this.#closing.signal)) === 'over') {
        if (response.headersSent) entry.status = response.statusCode
        return
      }
      const answer = await this.#answer(request, entry.path, path)
      if (!request.readableEnded) {
        request.resume()
        await finished(request, { writable: false })
      }
      if (fault?.kind === 'lostAfterStore') reset(request.socket)
      else await this.#send(response, answer, entry)
    } catch (error: unknown) {
      // The client has gone away, or the stand-in closes.
      if (!request.socket.destroyed) request.socket.destroy()
      if (!isBroken(error)) throw error
    }
  }

  #answer(request: IncomingMessage, url: string, path: string): CapeAnswer | Promise<CapeAnswer> {
    const accept = request.headers.accept ?? '*/*'
    const context: Omit<CapeContext, 'user'> = {
      request,
      query: new URLSearchParams(url.split('?')[1] ?? ''),
      options: { ...this.#options, freeGiB: this.freeGiB },
      sandbox: this.#sandbox,
      facts: this.#facts,
      isOn: section => !this.#off.has(section),
      isLost: task => this.#lost.has(task),
      complain: (rule, text) => this.violations.push({ rule, path: url, detail: text }),
    }
    const nobody = { name: '', keys: [] }
    const wrong = pathProblem({ ...context, user: nobody }, path)
    if (wrong !== undefined) return wrong
    if (!/application\/json|\*\/\*|application\/\*/.test(accept)) {
      context.complain('accept', `"${accept}" gets a web page, or 406`)
      const isPage = accept.includes('text/html') && !context.query.has('format')
      return isPage ? page(200, 'Django REST framework') : detail(406, 'Could not satisfy the request Accept header.')
    }
    const user = this.#access.admit(request.headers.authorization)
    return 'body' in user ? user : answerCape({ ...context, user }, path)
  }

  async #send(response: ServerResponse, { status, headers, body, named = true }: CapeAnswer, entry: CuckooRequest) {
    const production = this.#options.server === 'production'
    const own = { 'Server-Name': 'Machete Server', 'X-Cuckoo-Version': this.#options.version ?? '2.5', ...API_HEADERS }
    const server = production ? 'gunicorn' : 'Werkzeug/3.1.3 Python/3.13.5'
    const { 'Server-Name': name, ...rest } = own
    const lines = Object.entries({
      ...headers,
      ...(named && rest),
      'Content-Length': String(body.bytes),
      Connection: 'close',
    })
    response.writeHead(status, ['Server', server, ...(named && !production ? ['Server', name] : []), ...lines.flat()])
    entry.status = status
    if (entry.method !== 'HEAD') {
      for await (const chunk of body.stream()) {
        entry.sent += chunk.length
        response.write(chunk)
      }
    }
    response.end()
  }
}

function isBroken(error: unknown): boolean {
  return error instanceof Error && ('code' in error || error.message === 'the stand-in closes')
}
