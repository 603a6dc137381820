/** The loop that talks to one node; nothing that happens there delays another node. */
import { performance } from 'node:perf_hooks'
import { ServerAwayError } from '@cuckoo-distributed/http'
import { type BackOff, backOff, delay, inParallel, Notifier } from '@cuckoo-distributed/wait'
import type { Node, NodeCounters, Submission, Task } from '../store/model.js'
import { TroubleLog } from '../trouble-log.js'
import { Copies } from './copies.js'
import { Health } from './health.js'
import { MachineList } from './machine-list.js'
import { send } from './send.js'
import type { NodeSession } from './session.js'
import { isDoubtful, restAskedBy, troubleOf } from './trouble.js'
import { Unconfirmed } from './unconfirmed.js'

/** A node that has not answered a request for this long gets no new tasks planned, whatever comes of the request. */
const SILENT_MS = 10_000
/** After a failure of our own disk or database. */
const OWN_TROUBLE_MS = 5000

/** A node as the planner sees it. */
export interface Candidate {
  readonly id: number
  readonly name: string
  readonly enabled: boolean
  /** Answers, has done so lately, and does its work. */
  readonly up: boolean
  /** Why it gets no tasks although it answers; null = it does. */
  readonly quarantine: string | null
  readonly machines: Node['machines']
  /** Tasks that wait on the node: at its last status, and handed over since. */
  readonly pending: number
  /** Tasks that run on the node at its last status. */
  readonly running: number
  /** Tasks that it may be given at most: one as a trial, else by its own limit. */
  readonly room: number
  /** Grows with each task that is handed to any node; the node's last value. */
  readonly lastGiven: number
}

export interface NodeWorkerOptions {
  readonly session: Omit<NodeSession, 'onContact'>
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
  readonly #machines: MachineList
  readonly #health: Health
  readonly #waits: BackOff
  readonly #trouble: TroubleLog
  readonly #notifier = new Notifier()
  #node: Node
  #planned: Task[] = []
  /** Tasks that the node has accepted since its last status was asked for. */
  #given = 0
  #lastTurn = 0
  #busySince: number | undefined
  /** The node has asked to be left alone until then, by `performance.now`. */
  #restsUntil = 0
  /** Whether a new task is what the node's trial is to be decided by. */
  #wantsTrial = false

  constructor(node: Node, options: NodeWorkerOptions) {
    this.#node = node
    this.#options = options
    this.#session = { ...options.session, onContact: () => this.#noteContact() }
    this.#copies = new Copies(this.#session, node.runningSince)
    this.#unconfirmed = new Unconfirmed(this.#session)
    this.#machines = new MachineList(this.#session)
    this.#health = new Health(this.#session)
    this.#trouble = new TroubleLog(this.#session.log.child({ node: node.name }))
    const intervalMs = this.#intervalMs
    this.#waits = backOff({ initialMs: Math.min(1000, intervalMs), maxMs: 2 * intervalMs })
  }

  get candidate(): Candidate {
    const { id, name, enabled, machines, maxPending } = this.#node
    const { quarantine } = this.#session
    const { counters } = this.#health
    const answers = this.#busySince === undefined || performance.now() - this.#busySince < SILENT_MS
    const isFree = quarantine.error === null || this.#wantsTrial
    const pending = (counters?.pending ?? 0) + this.#given
    const room = maxPending === null ? Number.POSITIVE_INFINITY : Math.max(0, maxPending - pending)
    return {
      id,
      name,
      enabled,
      up: counters !== undefined && answers && isFree && performance.now() >= this.#restsUntil,
      quarantine: quarantine.error,
      machines,
      pending,
      running: counters?.running ?? 0,
      room: this.#wantsTrial ? Math.min(1, room) : room,
      lastGiven: this.#lastTurn,
    }
  }

  /** The counters of the last status, while the node answers. */
  get counters(): NodeCounters | undefined {
    return this.#health.counters
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
        this.#trouble.worked()
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
    const { store, node } = this.#session
    let submissions = await store.dispatch.submissions(node.id)
    if (!this.#node.enabled && submissions.length === 0) return this.#intervalMs
    if (this.#health.isDue) await this.#askStatus(submissions, signal)
    await this.#unconfirmed.settle(submissions.filter(isSending), signal)
    if (await this.#sendPlanned(signal)) this.#options.onChange()
    submissions = await store.dispatch.submissions(node.id)
    await this.#copies.tend(submissions, this.#node.machines.length, signal)
    this.#decideTrial(submissions)
    await this.#health.heedQuarantine(submissions)
    return this.#planned.length > 0 ? 0 : Math.min(this.#health.untilDue, this.#copies.untilDue(submissions))
  }

  async #askStatus(submissions: readonly Submission[], signal: AbortSignal): Promise<void> {
    const before = this.#given
    const runningSince = this.#copies.runningSince(submissions)
    await this.#health.ask(this.#node, { submissions, runningSince }, signal)
    this.#given -= before
    this.#session.availability.reportUp()
    await this.#machines.refresh(this.#node, signal)
    this.#options.onChange()
  }

  /** Sends for one interval at most; resolves with whether there was anything to send. */
  async #sendPlanned(signal: AbortSignal): Promise<boolean> {
    let sent = false
    await inParallel(this.#takePlanned(), this.#session.config.NodeConcurrency, async task => {
      sent = true
      this.#lastTurn = this.#options.nextTurn()
      this.#noteContact()
      await this.#send(task, signal)
    })
    return sent
  }

  async #send(task: Task, signal: AbortSignal): Promise<void> {
    const { availability, quarantine, node, log, spans } = this.#session
    this.#given += 1
    this.#wantsTrial = false
    try {
      const chooseMachine = () => this.#machines.choose(task, this.#node.machines, this.#health.version)
      const work = () => send(this.#session, { task, chooseMachine }, signal)
      const submission = await (spans?.around('send', { task: task.id, node: node.name }, work) ?? work())
      if (submission === undefined) this.#given -= 1
      else {
        this.#copies.added(submission)
        quarantine.succeeded('uploads')
      }
    } catch (error: unknown) {
      if (signal.aborted || !isDoubtful(error)) throw error
      this.#unconfirmed.uploadFailed(task.id, task.attempt + 1)
      this.#planned = []
      const cause = error instanceof Error ? (error.cause ?? error) : error
      if (await availability.isAway(cause, signal))
        throw new ServerAwayError('the node is unavailable', { cause: error })
      log.warn({ task: task.id, node: node.name, err: error }, 'a node gave no clear answer to an upload')
      quarantine.failed('uploads', task.id, `uploads: ${troubleOf(error)?.reason}`)
    }
  }

  *#takePlanned(): Generator<Task> {
    const end = performance.now() + this.#intervalMs
    for (let task = this.#planned.shift(); task !== undefined; task = this.#planned.shift()) {
      if (!this.#node.enabled || (this.#session.quarantine.error !== null && !this.#wantsTrial)) return
      yield task
      if (performance.now() > end) return
    }
  }

  /** A new task decides the trial of a node that has nothing else to show for itself. */
  #decideTrial(submissions: readonly Submission[]): void {
    const { quarantine } = this.#session
    if (quarantine.onTrial === 'lists' && !submissions.some(isSending)) quarantine.succeeded('lists')
    const { onTrial } = quarantine
    const wanted = onTrial === 'uploads' || (onTrial === 'reports' && !this.#copies.hasUntried(submissions))
    if (wanted !== this.#wantsTrial) this.#options.onChange()
    this.#wantsTrial = wanted
  }

  /** Writes down what went wrong and resolves with how long to leave the node alone, in milliseconds. */
  async #pauseAfter(error: unknown): Promise<number> {
    this.#planned = []
    const restMs = restAskedBy(error)
    if (restMs !== undefined) {
      this.#restsUntil = performance.now() + restMs
      this.#options.onChange()
      return restMs
    }
    if (!(await this.#health.fail(error))) {
      this.#trouble.failed(error, 'work for a node failed')
      return OWN_TROUBLE_MS
    }
    this.#options.onChange()
    return this.#waits.next()
  }

  get #intervalMs(): number {
    return this.#session.config.Interval * 1000
  }

  #noteContact(): void {
    this.#busySince = performance.now()
  }
}

function isSending({ state }: Submission): boolean {
  return state === 'sending'
}
