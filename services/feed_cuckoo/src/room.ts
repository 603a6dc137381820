// Room in Cuckoo: who may upload now, who has to wait, and when to leave messages to other feeders.
import { type Intake, isSharedCause, type Logger, type SandboxRoom, toError } from '@cuckoo-distributed/core'
import type { CuckooStatus } from '@cuckoo-distributed/sandbox-client'
import { backOff, delay } from '@cuckoo-distributed/wait'

export interface RoomOptions {
  /** Asks Cuckoo; waits while Cuckoo is away. */
  readonly status: (signal: AbortSignal) => Promise<CuckooStatus>
  /** Milliseconds between two requests that Cuckoo allows. Default: as many as one likes. */
  readonly intervalMs?: () => number
  /** Upload only while fewer tasks than this are pending. */
  readonly maxPending: number
  /** Absent: free space does not matter. */
  readonly freeSpace?: { readonly min: number; readonly unknown: 'go' | 'wait' } | undefined
  /** Closed while there is no room. */
  readonly intake: Intake
  /** There is another status, or none any more. Must not throw. */
  readonly onStatus?: () => void
  readonly log: Logger
  /** Ends everything. */
  readonly stop: AbortSignal
  readonly times?: Partial<RoomTimes>
}

/** All in milliseconds. */
export interface RoomTimes {
  /** How long messages wait without any room before they are left to other feeders. Default 30 s. */
  readonly patience: number
  /** How long a status may be used. Default 5 s. */
  readonly fresh: number
  /** Wait before the second status while there is no room, and the longest of the growing waits. Default 1 s and 15 s. */
  readonly askAgain: number
  readonly askAgainMax: number
}

/** The right to upload one sample; to be left when the upload has ended, however it did. */
export interface Place {
  leave(): void
}

interface Waiter {
  settle(place: Place | undefined): void
  fail(error: unknown): void
}

/** At most. */
const UPLOADS_PER_STATUS = 5

/**
 * One status request serves all who wait. An upload that had not ended when the status was requested, or began later,
 * counts as pending on top of what the status says, so `maxPending` holds whatever the answer had already counted.
 */
export class Room {
  readonly #options: RoomOptions
  readonly #times: RoomTimes
  readonly #waiting = new Set<Waiter>()
  #status:
    | (Pick<CuckooStatus, 'pending' | 'freeBytes'> & {
        readonly hasSpace: boolean
        readonly at: number
        readonly asOf: number
      })
    | undefined
  /** Uploads that the last status may not have counted. */
  #uncounted = 0
  /** Places given out and not left. */
  #held = 0
  #asking = false
  #failing = false
  #warnedOfSpace = false
  #patience: NodeJS.Timeout | undefined

  constructor(options: RoomOptions) {
    this.#options = options
    this.#times = { patience: 30_000, fresh: 5000, askAgain: 1000, askAgainMax: 15_000, ...options.times }
  }

  /**
   * Waits for room. Resolves with undefined when there is none for so long that the message should be left to another
   * feeder. Rejects with `signal.reason`, and with the error of a status that nobody gets who waits (a refused token).
   */
  async enter(signal: AbortSignal): Promise<Place | undefined> {
    signal.throwIfAborted()
    if (!this.#options.intake.isOpen) return undefined
    if (!this.#asking && this.#isFresh() && this.#hasRoom()) return this.#place()
    return new Promise((resolve, reject) => {
      const leaveQueue = () => {
        this.#waiting.delete(waiter)
        signal.removeEventListener('abort', onAbort)
        if (this.#waiting.size === 0) this.#stopPatience()
      }
      const onAbort = () => {
        leaveQueue()
        reject(signal.reason)
      }
      const waiter: Waiter = {
        settle(place) {
          leaveQueue()
          resolve(place)
        },
        fail(error) {
          leaveQueue()
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
      this.#startPatience()
      void this.#ask()
    })
  }

  /** Of the last status, while that is believed. */
  get seen(): Pick<CuckooStatus, 'pending' | 'freeBytes'> | undefined {
    return this.#status
  }

  /** What the last status said; uploads since then do not count. */
  get figures(): SandboxRoom {
    const { maxPending, freeSpace } = this.#options
    if (this.#status === undefined) return { state: 'unknown', maxPending }
    const { pending, freeBytes, hasSpace, asOf } = this.#status
    const state = hasSpace && pending < maxPending ? 'room' : 'full'
    const space = freeSpace && freeBytes !== undefined ? { freeBytes } : {}
    return { state, maxPending, pending, ...space, asOf }
  }

  /** Forgets the last status: what happened since says that it is not true any more. */
  expire(): void {
    this.#status = undefined
  }

  #isFresh(): boolean {
    // Where requests are few, most of them are to be uploads.
    const fresh = Math.max(this.#times.fresh, UPLOADS_PER_STATUS * (this.#options.intervalMs?.() ?? 0))
    return this.#status !== undefined && performance.now() - this.#status.at < fresh
  }

  #hasRoom(): boolean {
    const status = this.#status
    return status?.hasSpace === true && status.pending + this.#uncounted < this.#options.maxPending
  }

  #place(): Place {
    this.#uncounted += 1
    this.#held += 1
    let held = true
    return {
      leave: () => {
        if (held) this.#held -= 1
        held = false
      },
    }
  }

  /** Asks while somebody waits, or while nobody can because the intake is closed. */
  async #ask(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    const { intake, stop } = this.#options
    const pause = backOff({ initialMs: this.#times.askAgain, maxMs: this.#times.askAgainMax })
    try {
      for (;;) {
        await this.#refresh(stop)
        if (this.#hasRoom()) {
          pause.reset()
          this.#admit()
        }
        if (this.#waiting.size === 0 && intake.isOpen) return
        await delay(pause.next(), stop)
      }
    } catch (error: unknown) {
      if (!stop.aborted) throw error
    } finally {
      this.#asking = false
    }
  }

  async #refresh(stop: AbortSignal): Promise<void> {
    const { status: ask, log } = this.#options
    const unfinished = this.#held
    try {
      const status = await ask(stop)
      const { pending, freeBytes } = status
      this.#status = { pending, freeBytes, hasSpace: this.#hasSpace(status), at: performance.now(), asOf: Date.now() }
      this.#uncounted = unfinished
      this.#failing = false
      this.#options.onStatus?.()
    } catch (error: unknown) {
      stop.throwIfAborted()
      this.#status = undefined
      this.#options.onStatus?.()
      if (isSharedCause(toError(error))) {
        for (const waiter of this.#waiting) waiter.fail(error)
        return
      }
      if (!this.#failing) log.warn({ err: error }, 'Cuckoo returns no usable status; waiting')
      this.#failing = true
    }
  }

  #hasSpace({ freeBytes, freeUnit = 1 }: CuckooStatus): boolean {
    const { freeSpace, log } = this.#options
    if (freeSpace === undefined) return true
    if (freeBytes !== undefined && freeSpace.min >= freeUnit) return freeBytes >= freeSpace.min
    const go = freeSpace.unknown === 'go'
    const why = freeBytes === undefined ? '' : `, but in units of ${freeUnit} bytes: MinFreeSpace must be at least that`
    const text = `Cuckoo ${why === '' ? 'does not tell' : 'tells'} its free space${why}`
    if (!this.#warnedOfSpace) log.warn({ FreeSpaceUnknown: freeSpace.unknown }, text)
    this.#warnedOfSpace = true
    return go
  }

  #admit(): void {
    const { intake, log } = this.#options
    this.#stopPatience()
    if (!intake.isOpen) {
      log.info('room in Cuckoo: accepting messages again')
      intake.open()
    }
    for (const waiter of this.#waiting) {
      if (!this.#hasRoom()) break
      waiter.settle(this.#place())
    }
    if (this.#waiting.size > 0) this.#startPatience()
  }

  #startPatience(): void {
    this.#patience ??= setTimeout(() => this.#giveUp(), this.#times.patience)
  }

  #stopPatience(): void {
    clearTimeout(this.#patience)
    this.#patience = undefined
  }

  #giveUp(): void {
    const { intake, log, maxPending } = this.#options
    const { pending, hasSpace } = this.#status ?? {}
    log.info({ pending, hasSpace, maxPending }, 'no room in Cuckoo: leaving messages to other instances')
    intake.close()
    for (const waiter of this.#waiting) waiter.settle(undefined)
  }
}
