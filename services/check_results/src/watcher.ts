// Watches all tasks of one Cuckoo: one request at a time, each of which may tell of many tasks.
import { isSharedCause, type Logger, toError } from '@cuckoo-distributed/core'
import { type Availability, ServerAwayError } from '@cuckoo-distributed/http'
import { noteAway, noteReached, type SandboxClient, unreachedMs } from '@cuckoo-distributed/sandbox-client'
import { delay, linkedController } from '@cuckoo-distributed/wait'
import { clear, type WatchClocks } from './clocks.js'
import { Requests, type Watch } from './requests.js'
import { notReached } from './verdicts.js'

export interface WatcherOptions {
  readonly client: Pick<SandboxClient, 'baseUrl' | 'status' | 'listTasks' | 'viewTask'>
  readonly availability: Availability
  /** Names the Cuckoo. */
  readonly log: Logger
  /** Ends everything. */
  readonly stop: AbortSignal
  /** Milliseconds between an answer and the next request. */
  readonly intervalMs: number
  /** Milliseconds from the start of a watch, times when Cuckoo was away left out. */
  readonly deadlineMs: number
  /** Milliseconds for which Cuckoo may be away in one go. */
  readonly awayLimitMs: number
}

/** How often it is looked whether Cuckoo has been away for too long. */
const AWAY_LOOK_MS = 60_000

/** One request at a time, and none while nothing is watched. */
export class Watcher {
  readonly #options: WatcherOptions
  readonly #watches = new Set<Watch>()
  readonly #requests: Requests
  #asking = false
  /** When the request was sent that found Cuckoo away. */
  #awaySince: number | undefined

  constructor(options: WatcherOptions) {
    this.#options = options
    this.#requests = new Requests(options, this.#watches)
  }

  /**
   * Resolves with the id of the task when it is reported; another one than `taskId` if Cuckoo has gone on with that. Any
   * number of messages may watch the same task. `clocks` is updated in place.
   *
   * Rejects with PermanentError TASK_FAILED, TASK_VANISHED, ANALYSIS_DEADLINE or CUCKOO_NOT_REACHED, with the error of
   * Cuckoo when it keeps refusing to show the task or refuses the token, and with `signal.reason`. An outage is waited for.
   */
  watch(taskId: number, clocks: WatchClocks, signal: AbortSignal): Promise<number> {
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
        taskId: clocks.taskId ?? taskId,
        clocks,
        reported() {
          end()
          resolve(watch.taskId)
        },
        failed(error) {
          end()
          clear(clocks)
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#watches.add(watch)
      this.#noteAway(watch)
      void this.#ask()
    })
  }

  async #ask(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    const { intervalMs, stop } = this.#options
    try {
      while (this.#watches.size > 0) {
        await this.#askOnce()
        await delay(intervalMs, stop)
      }
    } catch (error: unknown) {
      if (!stop.aborted) throw error
    } finally {
      this.#asking = false
    }
  }

  async #askOnce(): Promise<void> {
    const { availability, stop } = this.#options
    if (availability.isDown) await this.#whileAway()
    const request = this.#requests.next()
    if (request === undefined) return
    const askedAt = Date.now()
    try {
      await availability.attempt(stop, request.ask)
      this.#reached()
    } catch (error: unknown) {
      stop.throwIfAborted()
      if (error instanceof ServerAwayError) this.#notReached(askedAt)
      else this.#refused(error, request.refused)
    }
  }

  #refused(error: unknown, tell: (error: unknown) => void): void {
    this.#reached()
    if (!isSharedCause(toError(error))) tell(error)
    else for (const watch of this.#watches) watch.failed(error)
  }

  #reached(): void {
    this.#awaySince = undefined
    for (const { clocks } of this.#watches) noteReached(clocks, Date.now())
  }

  #notReached(since: number): void {
    this.#awaySince ??= since
    for (const watch of this.#watches) this.#noteAway(watch)
  }

  #noteAway({ clocks }: Watch): void {
    if (this.#awaySince !== undefined) noteAway(clocks, Math.max(this.#awaySince, clocks.watchedSince ?? 0))
  }

  async #whileAway(): Promise<void> {
    const { availability, stop } = this.#options
    const { controller, dispose } = linkedController(stop)
    const ending = this.#endUnreached(controller)
    try {
      await availability.whenUp(controller.signal)
    } catch (error: unknown) {
      if (!controller.signal.aborted) throw error
    } finally {
      controller.abort()
      dispose()
      await ending
    }
    stop.throwIfAborted()
  }

  /** Ends the watches that were not reached for too long; aborts `waiting` when none is left. */
  async #endUnreached(waiting: AbortController): Promise<void> {
    const { awayLimitMs } = this.#options
    while (!waiting.signal.aborted) {
      for (const watch of this.#watches) {
        if (unreachedMs(watch.clocks, Date.now()) >= awayLimitMs) watch.failed(notReached(awayLimitMs))
      }
      if (this.#watches.size === 0) waiting.abort()
      await delay(Math.min(AWAY_LOOK_MS, awayLimitMs), waiting.signal).catch(() => undefined) // looked at above
    }
  }
}
