// Watches all tasks of one Cuckoo: one request at a time, each of which may tell of many tasks.
import { isSharedCause, type Reachable, toError } from '@cuckoo-distributed/core'
import { ServerAwayError } from '@cuckoo-distributed/http'
import { noteReached } from '@cuckoo-distributed/sandbox-client'
import { delay } from '@cuckoo-distributed/wait'
import { clear, type WatchClocks } from './clocks.js'
import { Requests, type Watch, type WatcherOptions } from './requests.js'

/** One request at a time, and none while nothing is watched. */
export class Watcher implements Reachable {
  readonly #options: WatcherOptions
  readonly #watches = new Set<Watch>()
  readonly #requests: Requests
  #asking = false
  /** When Cuckoo last answered (`performance.now`). */
  #answeredAt = Number.NEGATIVE_INFINITY

  constructor(options: WatcherOptions) {
    this.#options = options
    this.#requests = new Requests(options, this.#watches)
  }

  /** Messages that wait for a task. */
  get watched(): number {
    return this.#watches.size
  }

  /** As of `Availability`, but does not want to hear from Cuckoo more often than it is asked. */
  get isWell(): boolean {
    const { availability } = this.#options
    if (availability.isDown) return false
    return availability.isWell || performance.now() - this.#answeredAt < 2 * this.#intervalMs
  }

  whenWell(signal: AbortSignal): Promise<void> {
    return this.#options.availability.whenWell(signal)
  }

  /**
   * Resolves with the id of the task when it is reported; another one than `taskId` if Cuckoo has gone on with that. Any
   * number of messages may watch the same task. `clocks` is updated in place.
   *
   * Rejects with ServerAwayError once Cuckoo is away, with PermanentError TASK_FAILED, TASK_VANISHED or ANALYSIS_DEADLINE,
   * with the error of Cuckoo when it keeps refusing to show the task or refuses the token, and with `signal.reason`.
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
        interrupted(error) {
          end()
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#watches.add(watch)
      void this.#ask()
    })
  }

  /** What the sandbox allows is only known once it has answered. */
  get #intervalMs(): number {
    return Math.max(this.#options.intervalMs, this.#options.client.intervalMs)
  }

  async #ask(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    const { stop } = this.#options
    try {
      while (this.#watches.size > 0) {
        await this.#askOnce()
        await delay(this.#intervalMs, stop)
      }
    } catch (error: unknown) {
      if (!stop.aborted) throw error
    } finally {
      this.#asking = false
    }
  }

  async #askOnce(): Promise<void> {
    const { availability, stop } = this.#options
    const request = this.#requests.next()
    if (request === undefined) return
    try {
      await availability.attempt(stop, request.ask)
      this.#reached()
    } catch (error: unknown) {
      stop.throwIfAborted()
      if (!(error instanceof ServerAwayError)) this.#refused(error, request.refused)
      else for (const watch of this.#watches) watch.interrupted(error)
    }
  }

  #refused(error: unknown, tell: (error: unknown) => void): void {
    this.#reached()
    if (!isSharedCause(toError(error))) tell(error)
    else for (const watch of this.#watches) watch.failed(error)
  }

  #reached(): void {
    this.#answeredAt = performance.now()
    for (const { clocks } of this.#watches) noteReached(clocks, Date.now())
  }
}
