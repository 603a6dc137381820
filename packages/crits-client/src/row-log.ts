/** An append-only list of encoded rows, such that a run of neighbouring rows is one piece of a batch: nothing is copied for each row. */
import type { WrittenRow } from './row-writer.js'

const FIRST_BYTES = 8 * 1024
const COMMA = 0x2c

/** JSON values one after the other, each with a comma behind it. */
class JsonValues {
  #bytes = Buffer.alloc(0)
  readonly #ends: number[] = []

  get length(): number {
    return this.#ends.length
  }

  push(value: Buffer): void {
    const start = this.#ends.at(-1) ?? 0
    const end = start + value.length + 1
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, this.#bytes.length * 2, FIRST_BYTES))
      this.#bytes.copy(larger, 0, 0, start)
      this.#bytes = larger
    }
    value.copy(this.#bytes, start)
    this.#bytes[end - 1] = COMMA
    this.#ends.push(end)
  }

  pop(): void {
    this.#ends.pop()
  }

  /** Values `from` (included) to `to` (excluded) with their commas; a view that stays valid until the next `push`. */
  slice(from: number, to: number): Buffer {
    return this.#bytes.subarray(this.#ends[from - 1] ?? 0, to > 0 ? this.#ends[to - 1] : 0)
  }

  /** Bytes of a value and its comma. */
  bytes(index: number): number {
    return (this.#ends[index] ?? 0) - (this.#ends[index - 1] ?? 0)
  }
}

export class RowLog {
  readonly results = new JsonValues()
  readonly literals = new JsonValues()
  readonly #stored: number[] = []
  #storedBytes = 0

  get length(): number {
    return this.#stored.length
  }

  /** Sum of the `storedBytes` of all rows. */
  get storedBytes(): number {
    return this.#storedBytes
  }

  append({ result, literal }: WrittenRow, storedBytes: number): void {
    this.results.push(result)
    this.literals.push(literal)
    this.#stored.push(storedBytes)
    this.#storedBytes += storedBytes
  }

  /** Bytes of a row in a batch, two commas included. */
  bytes(index: number): number {
    return this.results.bytes(index) + this.literals.bytes(index)
  }

  /** Removes the last row. @returns its `storedBytes`, 0 if there was none */
  pop(): number {
    this.results.pop()
    this.literals.pop()
    const storedBytes = this.#stored.pop() ?? 0
    this.#storedBytes -= storedBytes
    return storedBytes
  }
}
