/** Plans which node gets which tasks, and keeps a worker for each node; in one process of those that share a database. */
import { ServiceError } from '@cuckoo-distributed/core'
import { delay, linkedController, Notifier } from '@cuckoo-distributed/wait'
import type { Leadership } from '../store/store.js'
import { TroubleLog } from '../trouble-log.js'
import { type Demand, drawPlan } from './plan.js'
import { logUptime } from './uptime-log.js'
import { NodeWorkers, type WorkersOptions } from './workers.js'

/** Tasks that are planned ahead for a node. The rest of the queue can still be overtaken, and go elsewhere. */
const PER_NODE = 16
const MIN_PAUSE_MS = 50
const MAX_PAUSE_MS = 1000
/** After a failure of our own disk or database. */
const TROUBLE_MS = 1000
const FAILURE = { message: 'scheduling failed; it is tried again', pauseMs: TROUBLE_MS }

export class Scheduler {
  readonly #options: WorkersOptions
  readonly #notifier = new Notifier()
  readonly #trouble: TroubleLog
  #reasons = ''

  constructor(options: WorkersOptions) {
    this.#options = options
    this.#trouble = new TroubleLog(options.log)
  }

  /** Says that there are new tasks or that nodes have changed. Without it that is seen within a second. */
  wake(): void {
    this.#notifier.notify()
  }

  /** Schedules whenever this process leads, until the signal is aborted; then rejects with its reason. */
  async run(signal: AbortSignal): Promise<never> {
    const { store, files, log } = this.#options
    for (;;) {
      try {
        await this.#directoriesThere(signal)
        await using leadership = await store.lead(signal)
        // A server whose directories are away can neither send nor collect; another one may have them.
        using linked = linkedController(signal, leadership.lost, files.samples.away, files.reports.away)
        log.info('this process schedules')
        await this.#lead(leadership, linked.controller.signal)
      } catch (error: unknown) {
        signal.throwIfAborted()
        this.#interrupted(error)
        await delay(TROUBLE_MS, signal)
      }
    }
  }

  #interrupted(error: unknown): void {
    const isOver = error instanceof ServiceError && error.code === 'LEADERSHIP_LOST'
    if (isOver) this.#options.log.warn({ problem: error.message }, 'this process does not schedule any more')
    else this.#trouble.failed(error, 'scheduling was interrupted')
  }

  async #directoriesThere(signal: AbortSignal): Promise<void> {
    while (this.#options.files.problem !== null) await delay(TROUBLE_MS, signal)
  }

  async #lead(leadership: Leadership, signal: AbortSignal): Promise<void> {
    const store = { ...this.#options.store, dispatch: leadership.dispatch }
    await store.dispatch.recover()
    this.#reasons = ''
    const onChange = () => this.#notifier.notify()
    const workers = new NodeWorkers({ ...this.#options, store, leadership, onChange }, signal)
    using linked = linkedController(signal)
    const { controller } = linked
    // Settled from the beginning: they may end while a plan still waits for the database.
    const cycles = Promise.allSettled([this.#repeatCycles(workers, controller.signal)])
    try {
      await this.#repeatPlans(workers, signal)
    } finally {
      controller.abort()
      await Promise.allSettled([cycles, workers.ended()])
    }
  }

  async #repeatPlans(workers: NodeWorkers, signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#trouble.outlast(() => this.#plan(workers), FAILURE, signal)
      await delay(MIN_PAUSE_MS, signal)
      await this.#notifier.sleep(MAX_PAUSE_MS, signal)
    }
  }

  async #repeatCycles(workers: NodeWorkers, signal: AbortSignal): Promise<never> {
    const { store, config, log } = this.#options
    for (;;) {
      await delay(config.Interval * 1000, signal)
      const at = store.now()
      await this.#trouble.outlast(() => store.recordCycle(at), FAILURE, signal)
      if (config.UptimeLogfile === '') continue
      try {
        await logUptime(config.UptimeLogfile, at, workers.counters())
      } catch (error: unknown) {
        log.warn({ err: error }, 'the uptime log cannot be written')
      }
    }
  }

  /** The work of a plan grows with the nodes and the different requirements, not with the tasks. */
  async #plan(workers: NodeWorkers): Promise<void> {
    const { store, config } = this.#options
    const candidates = workers.match(await store.nodes.list())
    const open = candidates.filter(({ enabled, up }) => enabled && up)
    const demands: Demand[] = []
    const now = store.now()
    for (const requirement of await store.dispatch.pendingRequirements()) {
      const limit = PER_NODE * open.length
      const tasks = limit === 0 ? [] : await store.dispatch.nextPending(requirement, now, limit)
      demands.push({ requirement, tasks })
    }
    const plan = drawPlan(demands, candidates, { threshold: config.Threshold, perNode: PER_NODE })
    workers.assign(plan.assignments)
    const reasons = JSON.stringify([...plan.reasons])
    if (reasons === this.#reasons) return
    await store.tasks.setWaitReasons(plan.reasons)
    this.#reasons = reasons
  }
}
