// Watches all tasks of one Cuckoo with few requests: a list tells of many, a view now and then of a single one.
import { describeError, type Logger } from '@cuckoo-distributed/core'
import { isOutage, StatusError } from '@cuckoo-distributed/http'
import { ListWindow, type TaskQueries, type TaskSummary } from '@cuckoo-distributed/sandbox-client'
import { backOff, delay } from '@cuckoo-distributed/wait'
import type { WatchClocks } from './clocks.js'
import { overdue, TaskVanishedError, taskFailed } from './verdicts.js'

export interface WatcherOptions {
  readonly cuckoo: TaskQueries
  /** Names the Cuckoo. */
  readonly log: Logger
  /** Ends everything. */
  readonly stop: AbortSignal
  /** Milliseconds between an answer and the next request. */
  readonly intervalMs: number
  /** Milliseconds from the start of a watch. */
  readonly deadlineMs: number
}

interface Watch {
  readonly taskId: number
  readonly clocks: WatchClocks
  /** Ends the watch: reported, or the reason why it never will be. */
  settle(error?: unknown): void
}

/** Every so many requests are a single view; when lists are of no use, every so many are a list. */
const VIEW_EVERY = 5
/** A 404 also comes from a failing database (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `view_task`). */
const TROUBLES = 3
const TROUBLED_MS = 5 * 60_000
const LONGEST_PAUSE_MS = 60_000
const LONGEST_RETRY_AFTER_MS = 5 * 60_000

/**
 * One request at a time, and none while nothing is watched. What an answer shows is believed; what it does not show
 * means nothing, since lists are empty and tasks unknown whenever Cuckoo's database fails.
 */
export class Watcher {
  readonly #options: WatcherOptions
  readonly #watches = new Set<Watch>()
  readonly #window = new ListWindow()
  readonly #oddStates = new Set<string>()
  #vanished: readonly Watch[] = []
  #requests = 0
  #asking = false
  #away = false

  constructor(options: WatcherOptions) {
    this.#options = options
  }

  /**
   * Resolves when the task is reported. Any number of messages may watch the same task. `clocks` is updated in place.
   *
   * Rejects with PermanentError TASK_FAILED, TASK_VANISHED or ANALYSIS_DEADLINE, with the error of Cuckoo when it keeps
   * refusing to show the task, and with `signal.reason`. An outage is waited for.
   */
  watch(taskId: number, clocks: WatchClocks, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      clocks.watchedSince ??= Date.now()
      const end = () => {
        this.#watches.delete(watch)
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = () => {
        end()
        reject(signal.reason)
      }
      const watch: Watch = {
        taskId,
        clocks,
        settle(error) {
          end()
          if (error === undefined) return resolve()
          // Whoever resubmits the message starts a new watch.
          for (const clock of ['watchedSince', 'viewedAt', 'troubledSince', 'troubles']) delete clocks[clock]
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#watches.add(watch)
      void this.#ask()
    })
  }

  async #ask(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    const { intervalMs, stop } = this.#options
    const pause = backOff({ initialMs: intervalMs, maxMs: Math.max(intervalMs, LONGEST_PAUSE_MS), jitter: 0 })
    try {
      while (this.#watches.size > 0) {
        const failure = await this.#askOnce()
        if (failure === undefined) pause.reset()
        await delay(failure === undefined ? intervalMs : Math.max(pause.next(), retryAfterMs(failure.error)), stop)
      }
    } catch (error: unknown) {
      if (!stop.aborted) throw error
    } finally {
      this.#asking = false
    }
  }

  async #askOnce(): Promise<{ readonly error: unknown } | undefined> {
    const { log, stop } = this.#options
    try {
      await this.#request()
      if (this.#away) log.info('Cuckoo answers again')
      this.#away = false
      return undefined
    } catch (error: unknown) {
      stop.throwIfAborted()
      if (!this.#away) log.warn({ cause: describeError(error) }, 'Cuckoo gives no usable answer; asking again')
      this.#away = true
      return { error }
    }
  }

  #request(): Promise<void> {
    if (this.#vanished.length > 0) return this.#confirmVanished()
    this.#requests += 1
    const isFifth = this.#requests % VIEW_EVERY === 0
    return isFifth === this.#window.isBlind ? this.#list() : this.#view()
  }

  async #list(): Promise<void> {
    const { cuckoo, stop } = this.#options
    const oldestWatch = Math.min(...[...this.#watches].map(({ clocks }) => clocks.watchedSince ?? Date.now()))
    const start = this.#window.start(oldestWatch)
    // Without a limit: stock 1.2 answers an empty list when it is given one.
    const tasks = await cuckoo.listTasks({ phase: 'reported', completedAfter: start / 1000 }, stop)
    this.#window.answered(start, tasks)
    const reported = new Set(tasks.map(({ id }) => id))
    for (const watch of this.#watches) if (reported.has(watch.taskId)) watch.settle()
  }

  async #view(): Promise<void> {
    const { cuckoo, stop } = this.#options
    const [next] = [...this.#watches].sort((a, b) => lastSeen(a) - lastSeen(b))
    if (next === undefined) return
    const watches = () => [...this.#watches].filter(({ taskId }) => taskId === next.taskId)
    for (const { clocks } of watches()) clocks.viewedAt = Date.now()
    let task: TaskSummary | undefined
    try {
      task = await cuckoo.viewTask(next.taskId, stop)
    } catch (error: unknown) {
      if (!stop.aborted && !isWaitedFor(error)) {
        for (const watch of watches()) if (isTroubled(watch)) watch.settle(error)
      }
      throw error
    }
    if (task === undefined) this.#vanished = watches().filter(isTroubled)
    else this.#judge(task, watches())
  }

  #judge(task: TaskSummary, watches: readonly Watch[]): void {
    const { phase, status } = task
    if (phase === 'reported') this.#window.missed(task)
    else if (phase === 'unknown') this.#tellOddState(status)
    for (const watch of watches) {
      delete watch.clocks.troubledSince
      delete watch.clocks.troubles
      if (phase === 'reported') watch.settle()
      else if (phase === 'failed' || phase === 'replaced') watch.settle(taskFailed(task))
      else if (this.#isOverdue(watch)) watch.settle(overdue(task, this.#options.deadlineMs))
    }
  }

  /** A 404 that is repeated for minutes counts if Cuckoo is well otherwise. */
  async #confirmVanished(): Promise<void> {
    const { cuckoo, stop } = this.#options
    const vanished = this.#vanished
    this.#vanished = []
    await cuckoo.status(stop)
    for (const watch of vanished) {
      if (!this.#watches.has(watch)) continue
      watch.settle(new TaskVanishedError(watch.taskId))
    }
  }

  #isOverdue({ clocks }: Watch): boolean {
    return Date.now() - (clocks.watchedSince ?? Date.now()) > this.#options.deadlineMs
  }

  #tellOddState(status: string): void {
    if (!this.#oddStates.has(status)) this.#options.log.warn({ status }, 'a task has an unknown status; watching on')
    this.#oddStates.add(status)
  }
}

function lastSeen({ clocks }: Watch): number {
  return clocks.viewedAt ?? clocks.watchedSince ?? 0
}

/** Counts a view that did not show the task; true when there were enough of them, over enough time. */
function isTroubled({ clocks }: Watch): boolean {
  clocks.troubledSince ??= Date.now()
  clocks.troubles = (clocks.troubles ?? 0) + 1
  return clocks.troubles >= TROUBLES && Date.now() - clocks.troubledSince >= TROUBLED_MS
}

function isWaitedFor(error: unknown): boolean {
  return isOutage(error) || (error instanceof StatusError && error.status === 429)
}

function retryAfterMs(error: unknown): number {
  return error instanceof StatusError ? Math.min(error.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS) : 0
}
