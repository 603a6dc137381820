// Keeps messages for a server that is away from filling the prefetch, so that those of other servers get through.
import { delay, linkedController, orAbort, Semaphore } from '@cuckoo-distributed/wait'

/** One server, as `Availability` of the package `http` knows it. The object itself is the key. */
export interface Reachable {
  /** It may be called at once. */
  readonly isWell: boolean
  /** It is well, but its items fail one after another. Default: that is not known of it. */
  readonly isFailing?: boolean
  /** Resolves when it may be called; asks it as often as it takes. Rejects with `signal.reason`. */
  whenWell(signal: AbortSignal): Promise<void>
}

export interface BulkheadOptions {
  /** `PrefetchCount` of the stage. */
  readonly prefetch: number
  /** Ends everything; `ServiceDependencies.stop`. */
  readonly stop: AbortSignal
  /** Messages that go to the end of their queue without a wait, and how many a second after those. Default 200, 50. */
  readonly passes?: { readonly atOnce: number; readonly perSecond: number } | undefined
}

/** A server that is well says so within this; until then nobody passes. */
const GRACE_MS = 200

/** Between two messages that are tried with a server that fails at each of them. */
const TURN_MS = 200

/** A server that no message asked for in this time is not asked any more. */
const IDLE_MS = 10 * 60_000

interface Watch {
  readonly well: Promise<void>
  readonly since: number
  /** Messages that hold a part of the prefetch until the server is well. */
  waiting: number
  readonly idle: NodeJS.Timeout
}

/**
 * One for each stage with a server that can be away beside others that are not:
 *
 *     if (!(await bulkhead.ready(cuckoo.availability, context.waiting))) return later()
 *     try { … use only `availability.attempt` … } catch (error: unknown) { ServerAwayError: give up what others need, ask again }
 *
 * At most half the prefetch waits, for all servers together. Whoever finds that half taken goes to the end of its queue,
 * at a limited rate, so that a queue of nothing else does not spin. One watch for each server asks it meanwhile. Of a server
 * that is failing five messages a second are tried, whatever their number; one that succeeds opens it to all.
 */
export class Bulkhead {
  readonly #mostWaiting: number
  readonly #stop: AbortSignal
  readonly #intervalMs: number
  readonly #burst: number
  readonly #watches = new Map<Reachable, Watch>()
  readonly #turns = new WeakMap<Reachable, Semaphore>()
  #waiting = 0
  /** When the next pass would be due if none were free at once (`performance.now`). */
  #nextPass = Number.NEGATIVE_INFINITY

  constructor({ prefetch, stop, passes = { atOnce: 200, perSecond: 50 } }: BulkheadOptions) {
    this.#mostWaiting = Math.floor(prefetch / 2)
    this.#stop = stop
    this.#intervalMs = 1000 / passes.perSecond
    this.#burst = passes.atOnce
  }

  /**
   * Waits until `server` may be called. False: it is away or failing, others wait for it, and the message is to make room
   * (`later`). Rejects with `signal.reason`, or with what is wrong with asking the server.
   */
  async ready(server: Reachable, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    if (!server.isWell && !(await this.#untilWell(server, signal))) return false
    return server.isFailing !== true || this.until(inTurn => this.#turn(server, inTurn), signal)
  }

  async #untilWell(server: Reachable, signal: AbortSignal): Promise<boolean> {
    const watch = this.#watch(server)
    if (this.#isFull)
      return this.#pass(() => watch.well, Math.max(0, watch.since + GRACE_MS - performance.now()), signal)
    watch.waiting += 1
    try {
      return await this.#wait(orAbort(watch.well, signal))
    } finally {
      watch.waiting -= 1
    }
  }

  /** As `ready`, for what comes by itself: `event` resolves when it is there, and rejects with the signal's reason. */
  async until(event: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    return this.#isFull ? this.#pass(event, 0, signal) : this.#wait(event(signal))
  }

  async #turn(server: Reachable, signal: AbortSignal): Promise<void> {
    const turns = this.#turns.get(server) ?? new Semaphore(1)
    this.#turns.set(server, turns)
    setTimeout(await turns.acquire(signal), TURN_MS)
  }

  get #isFull(): boolean {
    return this.#waiting >= this.#mostWaiting
  }

  async #wait(event: Promise<void>): Promise<true> {
    this.#waiting += 1
    try {
      await event
      return true
    } finally {
      this.#waiting -= 1
    }
  }

  /** Whether the event comes before it is this message's turn to make room. */
  async #pass(event: (signal: AbortSignal) => Promise<void>, graceMs: number, signal: AbortSignal): Promise<boolean> {
    using turn = linkedController(signal)
    const inTurn = turn.controller.signal
    try {
      const mayPass = delay(graceMs, inTurn).then(() => delay(this.#reserve(), inTurn))
      return await Promise.race([event(inTurn).then(() => true), mayPass.then(() => false)])
    } finally {
      turn.controller.abort()
    }
  }

  /** Milliseconds until the pass that is reserved with this call. */
  #reserve(): number {
    const now = performance.now()
    this.#nextPass = Math.max(this.#nextPass, now - this.#burst * this.#intervalMs) + this.#intervalMs
    return Math.max(0, this.#nextPass - now)
  }

  #watch(server: Reachable): Watch {
    const known = this.#watches.get(server)
    known?.idle.refresh()
    if (known) return known
    const following = linkedController(this.#stop)
    const { controller } = following
    const well = server.whenWell(controller.signal).finally(() => {
      clearTimeout(watch.idle)
      following[Symbol.dispose]()
      this.#watches.delete(server)
    })
    well.catch(() => undefined) // it is for those who wait, and there may be none
    const idle = setTimeout(() => {
      if (watch.waiting > 0) idle.refresh()
      else controller.abort(new Error('no message asks for this server any more'))
    }, IDLE_MS).unref()
    const watch: Watch = { well, since: performance.now(), waiting: 0, idle }
    this.#watches.set(server, watch)
    return watch
  }
}
