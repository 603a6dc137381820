/** Plans which node gets which tasks, and keeps a worker for each node; in one process of those that share a database. */
import { ServiceError } from '@cuckoo-distributed/core'
import { delay, linkedController, Notifier } from '@cuckoo-distributed/wait'
import type { Candidate } from '../nodes/node-worker.js'
import type { Requirements, Task } from '../store/model.js'
import type { DispatchStore, Leadership } from '../store/store.js'
import { TroubleLog } from '../trouble-log.js'
import { type Demand, drawPlan } from './plan.js'
import { keepWithin } from './retention.js'
import { logUptime } from './uptime-log.js'
import { NodeWorkers, type WorkersOptions } from './workers.js'

/** Tasks that are planned ahead for a node. The rest of the queue can still be overtaken, and go elsewhere. */
const PER_NODE = 16
const RECOUNT_MS = 3_600_000
/** Different requirements that a plan looks at. */
const REQUIREMENTS = 64
/** Tasks of a requirement that it looks at, at least. */
const LEAST_EACH = 4
const MIN_PAUSE_MS = 50
const MAX_PAUSE_MS = 1000
/** After a failure of our own disk or database. */
const TROUBLE_MS = 1000
const FAILURE = { message: 'scheduling failed; trying again', pauseMs: TROUBLE_MS }

export class Scheduler {
  readonly #options: WorkersOptions
  readonly #notifier = new Notifier()
  readonly #trouble: TroubleLog
  #reasons = ''
  /** By `performance.now`. */
  #recountAt = 0
  /** The requirement behind which the next plan goes on; empty: it begins anew. */
  #after = ''
  /** Requirements of the tasks that the last plan gave to nodes. */
  #useful: readonly string[] = []

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
        log.info('this process is now the scheduler')
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
    if (isOver) this.#options.log.warn({ problem: error.message }, 'this process is no longer the scheduler')
    else this.#trouble.failed(error, 'scheduling was interrupted')
  }

  async #directoriesThere(signal: AbortSignal): Promise<void> {
    while (this.#options.files.problem !== null) await delay(TROUBLE_MS, signal)
  }

  async #lead(leadership: Leadership, signal: AbortSignal): Promise<void> {
    const store = { ...this.#options.store, dispatch: leadership.dispatch }
    await store.dispatch.recover()
    this.#reasons = ''
    this.#after = ''
    const onChange = () => this.#notifier.notify()
    const workers = new NodeWorkers({ ...this.#options, store, leadership, onChange }, signal)
    // Settled from the beginning: they may end while a plan still waits for the database.
    const cycles = Promise.allSettled([
      this.#repeatCycles(workers, signal),
      this.#repeatCounts(store.dispatch, signal),
      keepWithin({ ...this.#options, leadership }, signal),
    ])
    try {
      await this.#repeatPlans(workers, store.dispatch, signal)
    } finally {
      await Promise.allSettled([cycles, workers.ended()])
    }
  }

  async #repeatPlans(workers: NodeWorkers, dispatch: DispatchStore, signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#trouble.outlast(() => this.#plan(workers, dispatch), FAILURE, signal)
      await delay(MIN_PAUSE_MS, signal)
      if (this.#after === '') await this.#notifier.sleep(MAX_PAUSE_MS, signal)
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

  async #repeatCounts(dispatch: DispatchStore, signal: AbortSignal): Promise<never> {
    for (;;) {
      await delay(this.#options.config.Interval * 1000, signal)
      await this.#trouble.outlast(() => this.#count(dispatch, signal), FAILURE, signal)
    }
  }

  /** Nothing is decided by these numbers; what makes them wrong is a fault all the same. */
  async #count(dispatch: DispatchStore, signal: AbortSignal): Promise<void> {
    await dispatch.foldCounts()
    if (performance.now() < this.#recountAt) return
    const missing = await dispatch.recount(signal)
    this.#recountAt = performance.now() + RECOUNT_MS
    if (Object.keys(missing).length > 0) this.#options.log.warn({ missing }, 'the totals of tasks were wrong')
  }

  /**
   * The work of a plan grows with the nodes and not with the tasks; of different requirements it sees some, those that were of use last
   * time among them, and the next plan the next.
   */
  async #plan(workers: NodeWorkers, dispatch: DispatchStore): Promise<void> {
    const { store, config } = this.#options
    await dispatch.release(store.now())
    const candidates = workers.match(await store.nodes.list())
    const after = this.#after
    const found = await dispatch.pendingRequirements(after, REQUIREMENTS)
    const upTo = found.length < REQUIREMENTS ? undefined : found.at(-1)
    const demands = await this.#demands(dispatch, [...new Set([...found, ...this.#useful])], candidates)
    const plan = drawPlan(demands, candidates, { threshold: config.Threshold, perNode: PER_NODE })
    workers.assign(plan.assignments)
    const sent = [...plan.assignments.values()].flat().map(({ requirement }) => requirement)
    this.#useful = [...new Set(sent)].slice(0, REQUIREMENTS)
    await this.#explain(dispatch, new Map([...plan.reasons].filter(([key]) => found.includes(key))), { after, upTo })
    this.#after = upTo ?? ''
  }

  async #demands(
    dispatch: DispatchStore,
    requirements: readonly string[],
    candidates: readonly Candidate[],
  ): Promise<Demand[]> {
    const open = candidates.filter(({ enabled, up }) => enabled && up).length
    const each = Math.max(LEAST_EACH, Math.ceil((PER_NODE * open) / Math.max(1, requirements.length)))
    const tasks = open === 0 ? [] : await dispatch.nextPending(requirements, each)
    const demands = new Map(requirements.map(requirement => [requirement, [] as Task[]]))
    for (const task of tasks) demands.get(task.requirement)?.push(task)
    return [...demands].map(([requirement, wanted]) => ({ requirement, tasks: wanted }))
  }

  async #explain(dispatch: DispatchStore, reasons: ReadonlyMap<string, string>, range: Requirements): Promise<void> {
    const all = JSON.stringify([range, ...reasons])
    if (all === this.#reasons) return
    await dispatch.setWaitReasons(reasons, range)
    this.#reasons = all
  }
}
