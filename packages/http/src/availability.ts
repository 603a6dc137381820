/** Whether one server is away, and waiting for it. */
import { type BackOff, backOff, delay, orAbort } from '@cuckoo-distributed/wait'
import { HttpError, StatusError } from './errors.js'
import { faultOf } from './fault.js'

/** A server is not obeyed beyond this. */
const MAX_RETRY_AFTER_MS = 5 * 60_000

const FRESH_MS = 30_000

/** So many items of one server that fail one after another are no accident. */
const FAILURES_IN_A_ROW = 3

/** A call that succeeds whenever the server is well, whatever is wrong with the items that it is asked about. */
export type Control = (signal: AbortSignal) => Promise<unknown>

export interface AvailabilityOptions {
  /** The server's control call, cheap and without an item. An error that is the item's own (`faultOf`) is an answer, too. */
  readonly probe: Control
  /** Called when calls begin to fail, with the first error, and when one succeeds again. */
  readonly onChange?: (state: 'up' | 'down', error: unknown) => void
  /** Milliseconds for which a server that was heard from is taken to be well. Default 30 s. */
  readonly freshMs?: () => number
  /** Waits before the probes. It is reset when a call succeeds, not when a probe does. Default 1 s, doubling up to 1 min. */
  readonly backOff?: BackOff
}

/** The server is away, or asks for patience: the control call has failed as well. `cause`: what the call itself threw. */
export class ServerAwayError extends Error {
  readonly code = 'SERVER_AWAY'
  override readonly name = 'ServerAwayError'
}

/**
 * Knows whether one server answers, for everyone who uses it: however many callers wait, one prober asks, and it stops
 * when nobody waits. `Retry-After` is honoured up to 5 minutes.
 */
export class Availability {
  readonly #options: AvailabilityOptions
  readonly #waits: BackOff
  #down = false
  /** Items that have failed while the server was well, and none was answered between. */
  #failures = 0
  #shown: 'up' | 'down' = 'up'
  /** The last thing that was heard of the server was an answer. */
  #well = false
  /** When it last answered (`performance.now`). */
  #heardAt = Number.NEGATIVE_INFINITY
  #pauseMs = 0
  /** When the next probe is due (`performance.now`), whoever waits for it: those who wait now may not wait that long. */
  #probeAt: number | undefined
  #waiting = 0
  #round: { readonly prober: AbortController; readonly ended: Promise<void> } | undefined

  constructor(options: AvailabilityOptions) {
    this.#options = options
    this.#waits = options.backOff ?? backOff({ initialMs: 1000, maxMs: 60_000 })
  }

  /** Whether calls have to wait at present. */
  get isDown(): boolean {
    return this.#down
  }

  /** It has answered within `freshMs`, and did not fail since. */
  get isWell(): boolean {
    const freshMs = this.#options.freshMs?.() ?? FRESH_MS
    return !this.#down && performance.now() - this.#heardAt < freshMs
  }

  /** Its control call succeeds, but the last items all failed, and it did not say what is wrong with them. Ends with one that is answered. */
  get isFailing(): boolean {
    return this.#failures >= FAILURES_IN_A_ROW
  }

  /** As `whenUp`, but asks a server that is not known to be well before anybody relies on it. */
  async whenWell(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.whenUp(signal)
      if (this.isWell || (await this.#isHeard(signal))) return
    }
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

  /** Says that the server is away, for callers that have asked it themselves: calls wait until a probe succeeds. */
  reportDown(error: unknown): void {
    this.#down = true
    this.#well = false
    this.#pauseMs = Math.max(this.#pauseMs, pauseAskedBy(error))
    this.#show('down', error)
  }

  /** Says that a call was answered. A probe that succeeded is not enough to trust the server again. */
  reportUp(): void {
    this.#well = true
    this.#heardAt = performance.now()
    this.#waits.reset()
    this.#show('up', undefined)
  }

  /**
   * Whether `error` of a call means that the server is away (then `reportDown` is done) rather than that the item is at
   * fault: asks the control call. For calls that must not be repeated; all others use `attempt`.
   */
  async isAway(error: unknown, signal: AbortSignal, control: Control = this.#options.probe): Promise<boolean> {
    const fault = faultOf(error)
    if (fault === 'own') return false
    if (fault === 'doubtful' && (await this.#answers(control, signal))) return false
    this.reportDown(error)
    return true
  }

  /**
   * One call that may be repeated, without waiting for a server that is away. What it throws of the call's own errors is the
   * item's fault: the control call has succeeded just before it and just after it.
   * Throws ServerAwayError when the server is away or asks for patience, and `signal.reason`.
   */
  async attempt<T>(
    signal: AbortSignal,
    call: (signal: AbortSignal) => Promise<T>,
    control: Control = this.#options.probe,
  ): Promise<T> {
    for (let wasWell = this.#well; ; wasWell = true) {
      try {
        const result = await call(signal)
        this.reportUp()
        this.#failures = 0
        return result
      } catch (error: unknown) {
        signal.throwIfAborted()
        if (await this.isAway(error, signal, control)) {
          throw new ServerAwayError(error instanceof Error ? error.message : String(error), { cause: error })
        }
        const fault = faultOf(error)
        if (error instanceof HttpError || fault !== 'own') this.reportUp()
        if (wasWell && fault === 'doubtful') this.#failures += 1
        if (wasWell || fault === 'own') throw error
        await delay(this.#waits.next(), signal)
      }
    }
  }

  /** As `attempt`, but waits for a server that is away, however often it goes. */
  async patiently<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>, control?: Control): Promise<T> {
    for (;;) {
      await this.whenUp(signal)
      try {
        return await this.attempt(signal, call, control)
      } catch (error: unknown) {
        if (!(error instanceof ServerAwayError)) throw error
      }
    }
  }

  async #answers(control: Control, signal: AbortSignal): Promise<boolean> {
    try {
      await control(signal)
      return true
    } catch (error: unknown) {
      signal.throwIfAborted()
      return faultOf(error) === 'own'
    }
  }

  #startRound() {
    const prober = new AbortController()
    return { prober, ended: this.#probeUntilUp(prober.signal) }
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
      if (await this.#isHeard(signal)) break
    }
    this.#down = false
  }

  /** Makes a probe. False: the server is away, which is reported. */
  async #isHeard(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#options.probe(signal)
    } catch (error: unknown) {
      signal.throwIfAborted()
      if (faultOf(error) !== 'own') {
        this.reportDown(error)
        return false
      }
      // Any other status is an answer; an error that is not of HTTP is a fault of the probe.
      if (!(error instanceof HttpError)) throw error
    }
    this.#heardAt = performance.now()
    // One that was away is not trusted for that.
    if (!this.#down) this.#well = true
    return true
  }

  #show(state: 'up' | 'down', error: unknown): void {
    if (this.#shown === state) return
    this.#shown = state
    this.#options.onChange?.(state, error)
  }
}

function pauseAskedBy(error: unknown): number {
  return error instanceof StatusError ? Math.min(error.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS) : 0
}
