// What was sent towards one queue and is not answered yet. A broker that is cut off from its peers keeps all of it, and
// delivers it later beside what its peers have given to others meanwhile: so to a queue that is silent next to nothing is sent.
import { Semaphore } from '@cuckoo-distributed/wait'
import type { ReadingTime } from './reading-time.js'

export interface UnansweredOptions {
  readonly readingTime: ReadingTime
  /** Bytes that are sent to one queue at most; one message that is larger goes alone. */
  readonly maxBytes: number
  /** Milliseconds without any answer, and those that the bodies need on the way, after which a queue is silent. */
  readonly quietMs: number
  /** Milliseconds after which an answer is late. */
  readonly patienceMs: number
  /** Told of a late answer, before anything more is sent. */
  onLateAnswer(): void
}

/** A line over which a body takes longer than this counts as silent, and is none the worse for it. */
const BYTES_PER_MS = 1000
/** A silent queue is sent one message to ask it after so many times the patience; then after twice as long, and so on. */
const PATIENCES_TO_ASK = 4
const LONGEST_PAUSE_MS = 10 * 60_000

export class Unanswered {
  readonly #options: UnansweredOptions
  readonly #ways = new Map<string, Way>()

  constructor(options: UnansweredOptions) {
    this.#options = options
  }

  /** Waits until there is room for `bytes` on the way to `queue`. Rejects with `signal.reason`. */
  async take(queue: string, bytes: number, signal: AbortSignal): Promise<Sending> {
    const way = this.#ways.get(queue) ?? new Way(this.#options)
    this.#ways.set(queue, way)
    way.users += 1
    const leave = () => {
      way.users -= 1
      if (way.users === 0) this.#ways.delete(queue)
    }
    try {
      const release = await way.room.acquire(signal, bytes)
      return new Sending(way, bytes, () => {
        release()
        leave()
      })
    } catch (reason: unknown) {
      leave()
      throw reason
    }
  }
}

/** One message on its way. `end` must be called, once. */
export class Sending {
  readonly #way: Way
  readonly #bytes: number
  readonly #leave: () => void
  #isProbe = false
  #hasBegun = false

  constructor(way: Way, bytes: number, leave: () => void) {
    this.#way = way
    this.#bytes = bytes
    this.#leave = leave
  }

  /** Whether it may be sent now. */
  get isAdmitted(): boolean {
    return this.#isProbe || !this.#way.isSilent
  }

  /**
   * Waits until it may be sent: the queue answers, or this one is to ask it. What follows from a delivery that came
   * (`arrivedAt`, as of `performance.now`) while the queue was silent asks sooner: the broker is in touch with its peers, and a
   * channel hands what a deposed leader did not pass on to the new one only when it sends something more to the queue
   * (`rabbitmq/rabbitmq-server:deps/rabbit/src/rabbit_fifo_client.erl`, `not_leader`). Rejects with `signal.reason`.
   */
  async admitted(signal: AbortSignal, arrivedAt = Number.NEGATIVE_INFINITY): Promise<void> {
    if (!this.isAdmitted) this.#isProbe = await this.#way.admitted(signal, arrivedAt)
  }

  begin(): void {
    this.#hasBegun = true
    this.#way.begin(this.#bytes)
  }

  /** It was answered, or never will be: its channel is gone, or it was not sent. */
  end(isAnswered: boolean): void {
    if (this.#hasBegun) this.#way.end(this.#bytes, isAnswered)
    this.#leave()
  }
}

/** Lets one message ask a silent queue, and the next one after a pause that doubles each time. */
class Turns {
  readonly #readingTime: ReadingTime
  readonly #onFree: () => void
  #pauseMs = 0
  #isFree = false
  #stop = () => {}

  constructor(readingTime: ReadingTime, onFree: () => void) {
    this.#readingTime = readingTime
    this.#onFree = onFree
  }

  /** The first turn is in `ms`. */
  start(ms: number, pauseMs: number): void {
    this.#pauseMs = pauseMs
    this.#stop = this.#readingTime.after(ms, () => {
      this.#isFree = true
      this.#onFree()
    })
  }

  take(): boolean {
    if (!this.#isFree) return false
    this.#isFree = false
    this.start(this.#pauseMs, Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS))
    return true
  }

  stop(): void {
    this.#isFree = false
    this.#stop()
  }
}

/** The way to one queue. */
class Way {
  readonly room: Semaphore
  /** Those who wait or have sent something. */
  users = 0
  readonly #options: UnansweredOptions
  /** Who waits, and when the delivery came that it follows from. */
  readonly #waiting = new Map<(isProbe: boolean) => void, number>()
  readonly #turns: Turns
  readonly #turnsOfNewcomers: Turns
  #sent = 0
  #bytes = 0
  #silentAt: number | undefined
  #isLate = false
  /** Calls off what is to happen while nothing is answered; undefined when nothing was sent since the last answer. */
  #heard: (() => void) | undefined

  constructor(options: UnansweredOptions) {
    this.#options = options
    this.room = new Semaphore(options.maxBytes)
    this.#turns = new Turns(options.readingTime, () => this.#offerTurn())
    this.#turnsOfNewcomers = new Turns(options.readingTime, () => this.#offerTurn())
  }

  get isSilent(): boolean {
    return this.#silentAt !== undefined
  }

  /** Resolves when the queue is not silent any more, with false, or when it is this one's turn to ask it, with true. */
  admitted(signal: AbortSignal, arrivedAt: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return void reject(signal.reason)
      const grant = (isProbe: boolean) => {
        this.#waiting.delete(grant)
        signal.removeEventListener('abort', onAbort)
        resolve(isProbe)
      }
      const onAbort = () => {
        this.#waiting.delete(grant)
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.set(grant, arrivedAt)
      this.#offerTurn()
    })
  }

  #offerTurn(): void {
    for (const [grant, arrivedAt] of this.#waiting) {
      const isNewcomer = this.#silentAt !== undefined && arrivedAt > this.#silentAt
      if ((isNewcomer && this.#turnsOfNewcomers.take()) || this.#turns.take()) {
        grant(true)
        return
      }
    }
  }

  begin(bytes: number): void {
    this.#sent += 1
    this.#bytes += bytes
    this.#heard ??= this.#listen()
  }

  end(bytes: number, isAnswered: boolean): void {
    this.#sent -= 1
    this.#bytes -= bytes
    // With the last one of a channel that is gone nobody is left who could be answered.
    if (!isAnswered && this.#sent > 0) return
    this.#heard?.()
    this.#heard = undefined
    if (isAnswered && this.#isLate) this.#options.onLateAnswer()
    this.#isLate = false
    this.#silentAt = undefined
    for (const grant of this.#waiting.keys()) grant(false)
  }

  #listen(): () => void {
    const { readingTime, quietMs, patienceMs } = this.#options
    const stopQuiet = readingTime.after(quietMs + this.#bytes / BYTES_PER_MS, () => {
      this.#silentAt = performance.now()
      this.#turnsOfNewcomers.start(0, quietMs)
    })
    const stopPatience = readingTime.after(patienceMs, () => {
      this.#isLate = true
    })
    const toAskMs = PATIENCES_TO_ASK * patienceMs
    this.#turns.start(toAskMs, 2 * toAskMs)
    return () => {
      stopQuiet()
      stopPatience()
      this.#turns.stop()
      this.#turnsOfNewcomers.stop()
    }
  }
}
