/** Keeps requests within what a sandbox allows a user. */
import { delay } from '@cuckoo-distributed/wait'

const MINUTE_MS = 60_000

/**
 * As the throttle of CAPE counts (`kevoreilly/CAPEv2:web/apiv2/throttling.py`): no more than `perMinute` requests within any minute; of a
 * rate below 1, one within each 1/`perMinute` minutes.
 */
export class Pace {
  /** Milliseconds between two requests, on average. */
  readonly intervalMs: number
  readonly #most: number
  readonly #windowMs: number
  /** When the last requests were let through, oldest first (`performance.now`); later ones are let through in their turn. */
  readonly #taken: number[] = []

  constructor(perMinute: number) {
    this.intervalMs = MINUTE_MS / perMinute
    this.#most = Math.max(1, Math.floor(perMinute))
    this.#windowMs = this.intervalMs * this.#most
  }

  /** Resolves when a request may be made, which counts from then on. Rejects with `signal.reason`. */
  async take(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      const now = performance.now()
      const oldest = this.#taken.length < this.#most ? undefined : this.#taken[0]
      const waitMs = oldest === undefined ? 0 : oldest + this.#windowMs - now
      if (waitMs <= 0) {
        if (oldest !== undefined) this.#taken.shift()
        this.#taken.push(now)
        return
      }
      await delay(waitMs, signal)
    }
  }
}
