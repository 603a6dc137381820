/** Waits out the outages of one server. */
import { type BackOff, backOff, delay, orAbort } from '@cuckoo-distributed/wait'
import { HttpError, isOutage, StatusError } from './errors.js'

/** A server is not obeyed beyond this. */
const MAX_RETRY_AFTER_MS = 5 * 60_000

export interface AvailabilityOptions {
  /** One cheap request. Resolves, or rejects with an error that is no outage, when the server answers again. */
  readonly probe: (signal: AbortSignal) => Promise<unknown>
  /** Called when calls begin to fail, with the first error, and when one succeeds again. */
  readonly onChange?: (state: 'up' | 'down', error: unknown) => void
  /** Waits before the probes. It is reset when a call succeeds, not when a probe does. Default 1 s, doubling up to 1 min. */
  readonly backOff?: BackOff
}

/**
 * Knows whether one server answers, for everyone who uses it: however many callers wait, one prober asks, and it stops
 * when nobody waits. Besides outages, status 429 is waited for, and `Retry-After` is honoured up to 5 minutes.
 */
export class Availability {
  readonly #options: AvailabilityOptions
  readonly #waits: BackOff
  #down = false
  #shown: 'up' | 'down' = 'up'
  #pauseMs = 0
  /** When the next probe is due (`performance.now`), whoever waits for it: those who wait now may not wait that long. */
  #probeAt: number | undefined
  #waiting = 0
  #round: { readonly prober: AbortController; readonly ended: Promise<void> } | undefined

  constructor(options: AvailabilityOptions) {
    this.#options = options
    this.#waits = options.backOff ?? backOff({ initialMs: 1000, maxMs: 60_000 })
  }

  /** Resolves when the server may be called. Rejects with `signal.reason`, or with what a broken probe throws. */
  async whenUp(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (!this.#down) return
    this.#round ??= this.#startRound()
    this.#waiting += 1
    try {
      await orAbort(this.#round.ended, signal)
    } finally {
      this.#waiting -= 1
      if (this.#waiting === 0) this.#stopRound()
    }
  }

  /** Says that a call failed with `error`, an outage or 429: callers wait until a probe succeeds. */
  reportDown(error: unknown): void {
    this.#down = true
    this.#pauseMs = Math.max(this.#pauseMs, pauseAskedBy(error))
    this.#show('down', error)
  }

  /** Says that a call was answered. A probe that succeeded is not enough to trust the server again. */
  reportUp(): void {
    this.#waits.reset()
    this.#show('up', undefined)
  }

  /**
   * Calls when the server is up, and again after each outage, until `call` is answered. Only for calls that may be
   * repeated. Rejects with `signal.reason`, or with what `call` throws if that is neither an outage nor 429.
   */
  async patiently<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (;;) {
      await this.whenUp(signal)
      try {
        const result = await call(signal)
        this.reportUp()
        return result
      } catch (error: unknown) {
        signal.throwIfAborted()
        if (!isWaitedFor(error)) {
          if (error instanceof HttpError) this.reportUp()
          throw error
        }
        this.reportDown(error)
      }
    }
  }

  #startRound() {
    const prober = new AbortController()
    const ended = this.#probeUntilUp(prober.signal).finally(() => {
      if (this.#round === round) this.#round = undefined
    })
    const round = { prober, ended }
    return round
  }

  #stopRound(): void {
    this.#round?.prober.abort()
    this.#round = undefined
  }

  async #probeUntilUp(signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#probeAt ??= performance.now() + Math.max(this.#waits.next(), this.#pauseMs)
      await delay(Math.max(0, this.#probeAt - performance.now()), signal)
      this.#probeAt = undefined
      this.#pauseMs = 0
      try {
        await this.#options.probe(signal)
        break
      } catch (error: unknown) {
        signal.throwIfAborted()
        this.#pauseMs = pauseAskedBy(error)
        if (isWaitedFor(error)) continue
        // Any other status is an answer; an error that is not of HTTP is a fault of the probe.
        if (error instanceof HttpError) break
        throw error
      }
    }
    this.#down = false
  }

  #show(state: 'up' | 'down', error: unknown): void {
    if (this.#shown === state) return
    this.#shown = state
    this.#options.onChange?.(state, error)
  }
}

function isWaitedFor(error: unknown): boolean {
  return isOutage(error) || (error instanceof StatusError && error.status === 429)
}

function pauseAskedBy(error: unknown): number {
  return error instanceof StatusError ? Math.min(error.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS) : 0
}
