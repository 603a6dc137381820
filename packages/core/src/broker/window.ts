// How many messages a consumer takes at a time where their sizes count: the bytes in hand are bounded, the rest waits in the broker.

export interface WindowOptions {
  /** Messages in hand at most. */
  readonly prefetch: number
  /** Bytes of bodies in hand at most, however large the one is that is alone. `Infinity`: sizes do not count. */
  readonly bytes: number
  /** Bytes of the largest body to expect before any was seen. */
  readonly largest: number
}

/** How much of the largest size is remembered from one message to the next: of a large one, half after 34 others. */
const MEMORY = 0.98

/**
 * RabbitMQ sends as many messages as the prefetch says, whatever their size, so the prefetch has to follow the sizes that
 * are seen. What comes all the same after a sudden change is to be given back.
 */
export class Window {
  readonly #options: WindowOptions
  /** Undefined before the first message. */
  #largest: number | undefined
  #bytes = 0
  #count = 0
  /** The last message was not taken. */
  #isFull = false

  constructor(options: WindowOptions) {
    this.#options = options
  }

  /** Whether a message may be taken in hand; if so, it is. */
  take(bytes: number): boolean {
    this.#largest = Math.max(bytes, (this.#largest ?? 1) * MEMORY)
    this.#isFull = this.#count > 0 && this.#bytes + bytes > this.#options.bytes
    if (this.#isFull) return false
    this.#count += 1
    this.#bytes += bytes
    return true
  }

  leave(bytes: number): void {
    this.#count -= 1
    this.#bytes -= bytes
    this.#isFull = false
  }

  /** The prefetch with which to consume from now on, beside what is in hand; 0: not at present. */
  get room(): number {
    const { prefetch, bytes } = this.#options
    if (bytes === Number.POSITIVE_INFINITY) return prefetch
    if (this.#count === 0) return Math.max(1, Math.min(prefetch, this.#fitting(bytes)))
    return Math.max(0, Math.min(prefetch - this.#count, this.#fitting(bytes - this.#bytes)))
  }

  /** Whether to consume with another prefetch than `prefetch` (0: not at all): fewer messages fit, or twice as many. */
  isOff(prefetch: number): boolean {
    if (prefetch === 0) return this.room > 0
    const isTooMuch = prefetch > Math.max(1, this.#fitting(this.#options.bytes))
    return this.#isFull || isTooMuch || this.room >= prefetch * 2
  }

  #fitting(bytes: number): number {
    return Math.floor(bytes / (this.#largest ?? this.#options.largest))
  }
}
