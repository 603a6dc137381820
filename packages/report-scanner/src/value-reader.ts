// Keeps the bytes of one value while they come, and parses them.
import { Capture, type CaptureLimits } from './capture.js'
import { textOf } from './json-bytes.js'
import { JsonDepthError, JsonSyntaxError, parseScalar, parseValue, type Scalar } from './json-value.js'
import { ReportError } from './report-error.js'

/** Reads one value after the other: `begin`, any number of `add`, then `scalar` or `container`. */
export class ValueReader {
  readonly #capture: Capture
  readonly #maxStringBytes: number
  #at = 0
  #wanted = false
  #maxBytes = 0

  constructor(limits: CaptureLimits) {
    this.#capture = new Capture(limits)
    this.#maxStringBytes = limits.maxStringBytes
  }

  /** Strings that were cut. */
  get cuts(): number {
    return this.#capture.cuts
  }

  /** A value begins at byte `at` of the document. One that is not wanted, or has more than `maxBytes`, is let go. */
  begin(at: number, wanted: boolean, maxBytes: number): void {
    this.#at = at
    this.#wanted = wanted
    this.#maxBytes = maxBytes
  }

  /** Adds bytes; they are copied. */
  add(piece: Buffer): void {
    if (!this.#wanted) return
    if (this.#capture.bytes + piece.length <= this.#maxBytes) {
      this.#capture.add(piece)
      return
    }
    this.#capture.end()
    this.#wanted = false
  }

  /**
   * Ends a string, number or word with its last bytes. Returns undefined if it was let go.
   * @throws {ReportError} its syntax is wrong
   */
  scalar(last: Buffer): Scalar | undefined {
    const text = this.#text(last)
    return text === undefined ? undefined : this.#parse(parseScalar, text)
  }

  /**
   * Ends an object or a list with its last bytes. Returns undefined if it was let go, is too large although its strings were cut, or is nested too deep.
   * @throws {ReportError} its syntax is wrong
   */
  container(last: Buffer): unknown {
    const text = this.#text(last)
    try {
      return text === undefined ? undefined : this.#parse(parseValue, text)
    } catch (error: unknown) {
      if (error instanceof JsonDepthError) return undefined
      throw error
    }
  }

  #text(last: Buffer): string | undefined {
    const whole = this.#wanted && !this.#capture.begun
    if (whole && last.length <= Math.min(this.#maxStringBytes, this.#maxBytes)) return textOf(last)
    this.add(last)
    return this.#wanted ? this.#capture.end()?.toString('utf8') : undefined
  }

  #parse<T>(parse: (text: string) => T, text: string): T {
    try {
      return parse(text)
    } catch (error: unknown) {
      if (!(error instanceof JsonSyntaxError)) throw error
      const offset = this.#at + Buffer.byteLength(text.slice(0, error.index))
      throw new ReportError('syntax', offset, error.message, { cause: error })
    }
  }
}
