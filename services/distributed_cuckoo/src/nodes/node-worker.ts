/** The loop that talks to one node; nothing that happens there delays another node. */
import { performance } from 'node:perf_hooks'
import { type BackOff, backOff, delay, inParallel, Notifier } from '@cuckoo-distributed/wait'
import type { Candidate } from '../dispatch/plan.js'
import type { Node, NodeCounters, Submission, Task } from '../store/model.js'
import { Copies } from './copies.js'
import { send } from './send.js'
import type { NodeSession } from './session.js'
import { isDoubtful, type Trouble, troubleOf } from './trouble.js'
import { Unconfirmed } from './unconfirmed.js'

/** A node that has not answered a request for this long gets no new tasks planned, whatever comes of the request. */
const SILENT_MS = 10_000
/** After a failure of our own disk or database. */
const OWN_TROUBLE_MS = 5000

export interface NodeWorkerOptions {
  readonly session: NodeSession
  /** Called when the node can take more tasks than were planned for it, or when that may have changed. */
  readonly onChange: () => void
  /** The next number of the sequence in which all nodes are given tasks. */
  readonly nextTurn: () => number
}

export class NodeWorker {
  readonly #session: NodeSession
  readonly #options: NodeWorkerOptions
  readonly #copies: Copies
  readonly #unconfirmed: Unconfirmed
  readonly #waits: BackOff
  readonly #notifier = new Notifier()
  #node: Node
  #planned: Task[] = []
  #counters: NodeCounters | undefined
  /** Tasks that the node has accepted since its last status was asked for. */
  #given = 0
  #lastTurn = 0
  #statusDue = 0
  #lastContact = performance.now()
  #busySince: number | undefined
  /** What the log said last of the node. */
  #shown: 'up' | 'down' | undefined

  constructor(node: Node, options: NodeWorkerOptions) {
    this.#node = node
    this.#options = options
    this.#session = options.session
    this.#copies = new Copies(options.session, () => this.#beginRequest())
    this.#unconfirmed = new Unconfirmed(options.session)
    const intervalMs = options.session.config.Interval * 1000
    this.#waits = backOff({ initialMs: Math.min(1000, intervalMs), maxMs: 2 * intervalMs })
  }

  /** The node as the planner sees it. */
  get candidate(): Candidate {
    const { id, enabled, machines } = this.#node
    const answers = this.#busySince === undefined || performance.now() - this.#busySince < SILENT_MS
    return {
      id,
      enabled,
      up: this.#counters !== undefined && answers,
      machines,
      pending: (this.#counters?.pending ?? 0) + this.#given,
      running: this.#counters?.running ?? 0,
      lastGiven: this.#lastTurn,
    }
  }

  /** The counters of the last status, while the node answers. */
  get counters(): NodeCounters | undefined {
    return this.#counters
  }

  /** Takes what is registered of the node now. */
  update(node: Node): void {
    if (node.enabled && !this.#node.enabled) this.#notifier.notify()
    this.#node = node
  }

  /** Takes the tasks to send next, in place of those planned before. */
  plan(tasks: readonly Task[]): void {
    this.#planned = [...tasks]
    if (tasks.length > 0) this.#notifier.notify()
  }

  /** Works until the signal is aborted, and rejects with its reason. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      try {
        const pauseMs = await this.#round(signal)
        this.#waits.reset()
        this.#busySince = undefined
        await this.#notifier.sleep(pauseMs, signal)
      } catch (error: unknown) {
        signal.throwIfAborted()
        this.#busySince = undefined
        await delay(await this.#pauseAfter(error), signal)
      }
    }
  }

  /** One turn of the loop; resolves with the time until the next one has something to do. */
  async #round(signal: AbortSignal): Promise<number> {
    const { store, config, node } = this.#session
    const intervalMs = config.Interval * 1000
    let submissions = await store.dispatch.submissions(node.id)
    if (!this.#node.enabled && submissions.length === 0) return intervalMs
    await this.#contact(signal)
    await this.#unconfirmed.settle(submissions.filter(isSending), signal)
    if (await this.#sendPlanned(signal)) this.#options.onChange()
    submissions = await store.dispatch.submissions(node.id)
    await this.#copies.tend(submissions, this.#node.machines.length, signal)
    if (this.#planned.length > 0) return 0
    const untilStatus = Math.max(0, this.#statusDue - performance.now())
    return Math.min(untilStatus, this.#copies.untilDue(submissions))
  }

  async #contact(signal: AbortSignal): Promise<void> {
    if (performance.now() < this.#statusDue) return
    const { client, store, node, config, log } = this.#session
    const before = this.#given
    this.#beginRequest()
    const status = await client.status(signal)
    this.#given -= before
    const { total, pending, running, completed, reported, freeBytes = null } = status
    this.#counters = { total, pending, running, completed, reported }
    this.#lastContact = performance.now()
    this.#statusDue = this.#lastContact + config.Interval * 1000
    await store.nodes.recordStatus(node.id, { counters: this.#counters, freeBytes, at: Date.now(), quarantine: null })
    if (this.#shown !== 'up') log.info({ node: node.name, version: status.version }, 'node answers')
    this.#shown = 'up'
    this.#options.onChange()
  }

  /** Resolves with whether there was anything to send. */
  async #sendPlanned(signal: AbortSignal): Promise<boolean> {
    let sent = false
    await inParallel(this.#takePlanned(), this.#session.config.NodeConcurrency, async task => {
      sent = true
      this.#lastTurn = this.#options.nextTurn()
      this.#beginRequest()
      await this.#send(task, signal)
    })
    return sent
  }

  #beginRequest(): void {
    this.#busySince = performance.now()
  }

  async #send(task: Task, signal: AbortSignal): Promise<void> {
    this.#given += 1
    try {
      const submission = await send(this.#session, task, signal)
      if (submission === undefined) this.#given -= 1
      else this.#copies.added(submission)
    } catch (error: unknown) {
      if (isDoubtful(error)) this.#unconfirmed.uploadFailed(task.id, task.attempt + 1)
      throw error
    }
  }

  *#takePlanned(): Generator<Task> {
    for (let task = this.#planned.shift(); task !== undefined; task = this.#planned.shift()) {
      if (!this.#node.enabled) return
      yield task
    }
  }

  /** Writes down what went wrong and resolves with how long to leave the node alone, in milliseconds. */
  async #pauseAfter(error: unknown): Promise<number> {
    const { log, node } = this.#session
    this.#planned = []
    const trouble = troubleOf(error)
    if (trouble === undefined) {
      log.error({ node: node.name, err: error }, 'work for a node failed')
      return OWN_TROUBLE_MS
    }
    this.#counters = undefined
    this.#statusDue = 0
    if (this.#shown !== 'down') log.warn({ node: node.name, err: error }, `node in trouble: ${trouble.reason}`)
    this.#shown = 'down'
    try {
      await this.#recordTrouble(trouble)
    } catch (failure: unknown) {
      log.error({ node: node.name, err: failure }, 'the failure of a node could not be recorded')
    }
    this.#options.onChange()
    return this.#waits.next()
  }

  async #recordTrouble({ state, reason }: Trouble): Promise<void> {
    const { store, node, config } = this.#session
    await store.nodes.recordFailure(node.id, { state, error: reason })
    const silentMs = performance.now() - this.#lastContact
    if (silentMs < config.NodeTimeout * 1000) return
    const at = Date.now()
    const error = `node ${node.name} has not answered for ${Math.round(silentMs / 1000)} s: ${reason}`
    for (const { id, state } of await store.dispatch.submissions(node.id)) {
      if (state === 'discarding') continue
      await store.dispatch.abandoned(id, { error, at, notBefore: at, counted: true, maxRequeues: config.MaxRequeues })
    }
  }
}

function isSending({ state }: Submission): boolean {
  return state === 'sending'
}
