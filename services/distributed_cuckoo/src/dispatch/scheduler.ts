/** Plans which node gets which tasks, and keeps a worker for each node; in one process of those that share a database. */
import type { Logger } from '@cuckoo-distributed/core'
import { delay, linkedController } from '@cuckoo-distributed/wait'
import type { DistributedConfig } from '../config.js'
import type { Files } from '../files/files.js'
import type { Store } from '../store/store.js'
import { Bell } from './bell.js'
import { Crew } from './crew.js'
import { type Demand, drawPlan } from './plan.js'
import { logUptime } from './uptime-log.js'

/** Tasks that are planned ahead for a node. The rest of the queue can still be overtaken, and go elsewhere. */
const PER_NODE = 16
const MIN_PAUSE_MS = 50
const MAX_PAUSE_MS = 1000
/** After a failure of our own disk or database. */
const TROUBLE_MS = 1000

export interface SchedulerOptions {
  readonly store: Store
  readonly files: Files
  readonly config: DistributedConfig
  readonly log: Logger
  /** Milliseconds after which an upload of which nothing more is read is given up. Default one minute. */
  readonly uploadStallMs?: number
}

export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #bell = new Bell()
  #reasons = ''

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  /** Says that there are new tasks or that nodes have changed. Without it that is seen within a second. */
  wake(): void {
    this.#bell.ring()
  }

  /** Schedules whenever this process leads, until the signal is aborted; then rejects with its reason. */
  async run(signal: AbortSignal): Promise<never> {
    const { store, log } = this.#options
    for (;;) {
      try {
        const leadership = await store.lead(signal)
        const { controller, dispose } = linkedController(signal, leadership.lost)
        try {
          log.info('this process schedules')
          await this.#lead(controller.signal)
        } finally {
          dispose()
          await leadership[Symbol.asyncDispose]()
        }
      } catch (error: unknown) {
        signal.throwIfAborted()
        log.error({ err: error }, 'scheduling was interrupted')
        await delay(TROUBLE_MS, signal)
      }
    }
  }

  async #lead(signal: AbortSignal): Promise<void> {
    await this.#options.store.dispatch.recover()
    this.#reasons = ''
    const crew = new Crew({ ...this.#options, onChange: () => this.#bell.ring() }, signal)
    const { controller, dispose } = linkedController(signal)
    // Settled from the beginning: they may end while a plan still waits for the database.
    const cycles = Promise.allSettled([this.#repeatCycles(crew, controller.signal)])
    try {
      await this.#repeatPlans(crew, signal)
    } finally {
      dispose()
      controller.abort()
      await Promise.allSettled([cycles, crew.ended()])
    }
  }

  async #repeatPlans(crew: Crew, signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#supervised(() => this.#plan(crew), signal)
      await delay(MIN_PAUSE_MS, signal)
      await this.#bell.sleep(MAX_PAUSE_MS, signal)
    }
  }

  async #repeatCycles(crew: Crew, signal: AbortSignal): Promise<never> {
    const { store, config, log } = this.#options
    for (;;) {
      await delay(config.Interval * 1000, signal)
      const at = Date.now()
      await this.#supervised(() => store.recordCycle(at), signal)
      if (config.UptimeLogfile === '') continue
      try {
        await logUptime(config.UptimeLogfile, at, crew.counters())
      } catch (error: unknown) {
        log.warn({ err: error }, 'the uptime log cannot be written')
      }
    }
  }

  /** The work of a plan grows with the nodes and the different requirements, not with the tasks. */
  async #plan(crew: Crew): Promise<void> {
    const { store, config } = this.#options
    const candidates = crew.match(await store.nodes.list())
    const open = candidates.filter(({ enabled, up }) => enabled && up)
    const demands: Demand[] = []
    const now = Date.now()
    for (const requirement of await store.dispatch.pendingRequirements()) {
      const limit = PER_NODE * open.length
      const tasks = limit === 0 ? [] : await store.dispatch.nextPending(requirement, now, limit)
      demands.push({ requirement, tasks })
    }
    const plan = drawPlan(demands, candidates, { threshold: config.Threshold, perNode: PER_NODE })
    crew.assign(plan.assignments)
    const reasons = JSON.stringify([...plan.reasons])
    if (reasons === this.#reasons) return
    await store.tasks.setWaitReasons(plan.reasons)
    this.#reasons = reasons
  }

  /** A failing disk or database is waited out: only the end of the process ends the loops. */
  async #supervised(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work()
    } catch (error: unknown) {
      signal.throwIfAborted()
      this.#options.log.error({ err: error }, 'scheduling failed; it is tried again')
      await delay(TROUBLE_MS, signal)
    }
  }
}
