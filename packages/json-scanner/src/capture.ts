// Keeps the bytes of one wanted value in bounded memory: strings in it that are too long are cut while they are read.

import { BACKSLASH, QUOTE } from './bytes.js'
import { StringEnd } from './string-end.js'

const LOWER_U = 0x75
const AFTER_BACKSLASH = -1
const FIRST_BYTES = 16_384

/** How much of a wanted value is kept. */
export interface CaptureLimits {
  /** Bytes of one string, as written in the report, without its quotes. Longer ones are cut there and end in ` [cut: N bytes]`, N being what they had. */
  readonly maxStringBytes: number
  /** Bytes of the whole value after cutting. A value beyond it is given up. */
  readonly maxValueBytes: number
}

/** Collects one value, piece by piece. */
export class Capture {
  readonly #limits: CaptureLimits
  #buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #bytes = 0
  #cutter: StringCutter | undefined
  #givenUp = false
  /** Strings cut so far, in all values. */
  cuts = 0

  constructor(limits: CaptureLimits) {
    this.#limits = limits
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes
  }

  /** True while a value is begun and not ended. */
  get begun(): boolean {
    return this.#bytes > 0 || this.#givenUp
  }

  /** Adds bytes; they are copied. */
  add(piece: Buffer): void {
    // A value that is shorter than the longest allowed string has no string to cut: most values end here.
    if (this.#cutter === undefined && this.#bytes + piece.length > this.#limits.maxStringBytes + 2) {
      const before = this.#buffer.subarray(0, this.#bytes)
      this.#buffer = Buffer.allocUnsafe(FIRST_BYTES)
      this.#bytes = 0
      this.#cutter = new StringCutter(this.#limits.maxStringBytes, bytes => this.#append(bytes))
      this.#cutter.push(before)
    }
    if (this.#cutter === undefined) this.#append(piece)
    else this.#cutter.push(piece)
  }

  /** Ends the value. Returns it with its strings cut, or undefined if it was given up. The bytes are valid until the next `add`. */
  end(): Buffer | undefined {
    const value = this.#givenUp ? undefined : this.#buffer.subarray(0, this.#bytes)
    if (this.#buffer.length > FIRST_BYTES) this.#buffer = Buffer.allocUnsafe(FIRST_BYTES)
    this.cuts += this.#cutter?.cuts ?? 0
    this.#cutter = undefined
    this.#bytes = 0
    this.#givenUp = false
    return value
  }

  #append(piece: Buffer): void {
    const bytes = this.#bytes + piece.length
    if (this.#givenUp || bytes > this.#limits.maxValueBytes) {
      this.#givenUp = true
      this.#bytes = 0
      return
    }
    if (bytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(bytes, Math.min(this.#buffer.length * 2, this.#limits.maxValueBytes)))
      this.#buffer.copy(larger, 0, 0, this.#bytes)
      this.#buffer = larger
    }
    piece.copy(this.#buffer, this.#bytes)
    this.#bytes = bytes
  }
}

/** Passes JSON text on without the part of each string that is too long. */
class StringCutter {
  readonly #max: number
  readonly #pass: (bytes: Buffer) => void
  readonly #stringEnd = new StringEnd()
  cuts = 0
  #inString = false
  #cutting = false
  #length = 0 // bytes of this string so far
  #escape = 0 // AFTER_BACKSLASH, or the hexadecimal digits of this \u that are still to come

  constructor(maxStringBytes: number, pass: (bytes: Buffer) => void) {
    this.#max = maxStringBytes
    this.#pass = pass
  }

  push(piece: Buffer): void {
    let from = 0
    for (let pos = 0; pos < piece.length; pos++) {
      const byte = piece[pos] ?? 0
      if (this.#cutting) {
        from = pos = this.#skipRest(piece, pos)
      } else if (!this.#inString) {
        this.#inString = byte === QUOTE
      } else if (byte === QUOTE && this.#escape !== AFTER_BACKSLASH) {
        this.#inString = false
        this.#length = this.#escape = 0
      } else if (this.#length >= this.#max && this.#canCutBefore(byte)) {
        this.#pass(piece.subarray(from, pos))
        this.#cutting = true
        this.cuts++
        from = pos = this.#skipRest(piece, pos)
      } else {
        this.#step(byte)
      }
    }
    if (!this.#cutting) this.#pass(piece.subarray(from))
  }

  /** Goes on in a string that is cut. Returns the position of its closing quote, or the end of the piece. */
  #skipRest(piece: Buffer, pos: number): number {
    const end = this.#stringEnd.run(piece, pos)
    const stop = end === -1 ? piece.length : end - 1
    this.#length += stop - pos
    if (end === -1) return stop
    this.#pass(Buffer.from(` [cut: ${this.#length} bytes]`))
    this.#inString = this.#cutting = false
    this.#length = this.#escape = 0
    return stop
  }

  /** Not inside an escape sequence or a UTF-8 character; what is no UTF-8 at all is cut anywhere. */
  #canCutBefore(byte: number): boolean {
    return this.#escape === 0 && ((byte & 0xc0) !== 0x80 || this.#length >= this.#max + 4)
  }

  #step(byte: number): void {
    this.#length++
    if (this.#escape === 0) this.#escape = byte === BACKSLASH ? AFTER_BACKSLASH : 0
    else if (this.#escape === AFTER_BACKSLASH) this.#escape = byte === LOWER_U ? 4 : 0
    else this.#escape--
  }
}
