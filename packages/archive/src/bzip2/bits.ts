// Reads a byte source bit by bit, the most significant bit first.

/** Writes the next bytes to the beginning of `target` and returns how many; 0 at the end of the input. */
export type Fill = (target: Uint8Array) => number

/** The bytes are no bzip2 stream, or not all of one. */
export class Bzip2Error extends Error {
  readonly code = 'bzip2'

  constructor(message: string) {
    super(`bzip2: ${message}`)
    this.name = 'Bzip2Error'
  }
}

const BUFFER_BYTES = 65_536
/** Bytes that the symbol loop may ask for beyond the end, because it looks ahead. */
const PADDING = 4

/** Buffered bits. The fields are open to the symbol loop, which keeps them in local variables. */
export class BitReader {
  readonly buffer = new Uint8Array(BUFFER_BYTES)
  /** Position in `buffer` of the next byte that is not in `hold`. */
  pos = 0
  end = 0
  /** The last bits taken from `buffer`, in its lowest `count` bits. */
  hold = 0
  count = 0
  readonly #fill: Fill
  #padded = false

  constructor(fill: Fill) {
    this.#fill = fill
  }

  /** The input is over; what is read now may be padding. */
  get padded(): boolean {
    return this.#padded
  }

  /** Padding was taken for input. */
  get overrun(): boolean {
    return this.#padded && this.count + (this.end - this.pos) * 8 < PADDING * 8
  }

  /**
   * Makes `buffer[0]` the next byte. Behind the end of the input come a few zero bytes.
   * @throws {Bzip2Error} and then nothing
   */
  refill(): void {
    this.pos = 0
    this.end = this.#fill(this.buffer)
    if (this.end > 0) return
    if (this.#padded) throw new Bzip2Error('the input is truncated')
    this.#padded = true
    this.buffer.fill(0, 0, PADDING)
    this.end = PADDING
  }

  /** The next `bits` (1 to 24) as a number. */
  read(bits: number): number {
    while (this.count < bits) {
      if (this.pos === this.end) this.refill()
      this.hold = (this.hold << 8) | (this.buffer[this.pos++] ?? 0)
      this.count += 8
    }
    this.count -= bits
    return (this.hold >>> this.count) & ((1 << bits) - 1)
  }

  /** The next 32 bits as a signed number. */
  readWord(): number {
    return (this.read(16) << 16) | this.read(16)
  }

  /** Drops the rest of the current byte. Returns false if no byte follows. */
  align(): boolean {
    this.count -= this.count % 8
    if (this.count > 0) return !this.#padded
    if (this.pos === this.end) this.refill()
    return !this.#padded
  }
}
