// Tells overseers how much room there is in the sandbox, often enough to be looked at and no more.
import type { SandboxRoom, Telemetry } from '@cuckoo-distributed/core'

/** Between two events, in milliseconds: after another state, after other figures, and with nothing new. */
export interface RoomEventTimes {
  /** Default 1 s. */
  readonly state: number
  /** Default 10 s. */
  readonly figures: number
  /** For overseers that were not there. Default 1 min. */
  readonly same: number
}

export interface RoomEventsOptions {
  readonly telemetry: Telemetry
  /** Its URL, as it may be shown. */
  readonly sandbox: string
  readonly figures: () => SandboxRoom
  readonly times?: Partial<RoomEventTimes>
}

export class RoomEvents implements Disposable {
  readonly #options: RoomEventsOptions
  readonly #times: RoomEventTimes
  #told: SandboxRoom | undefined
  #toldAt = performance.now()
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(options: RoomEventsOptions) {
    this.#options = options
    this.#times = { state: 1000, figures: 10_000, same: 60_000, ...options.times }
    this.changed()
  }

  /** The figures may be others. */
  changed(): void {
    if (this.#isOver) return
    clearTimeout(this.#timer)
    const wait = this.#toldAt + this.#interval() - performance.now()
    this.#timer = setTimeout(() => this.#tell(), Math.max(0, wait)).unref()
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    clearTimeout(this.#timer)
  }

  #interval(): number {
    const told = this.#told
    const { state, pending, freeBytes, asOf } = this.#options.figures()
    if (told?.state !== state) return this.#times.state
    const isOther = told.pending !== pending || told.freeBytes !== freeBytes || told.asOf !== asOf
    return isOther ? this.#times.figures : this.#times.same
  }

  #tell(): void {
    const { telemetry, sandbox, figures } = this.#options
    this.#told = figures()
    this.#toldAt = performance.now()
    telemetry.happened({ cuckoo: sandbox }, { event: 'room', room: this.#told })
    this.changed()
  }
}
