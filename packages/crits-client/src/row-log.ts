/** An append-only list of encoded rows. */
import { JsonValues } from './json-values.js'

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

  /** Keeps the row that was written last. */
  commit(storedBytes: number): void {
    this.results.commit()
    this.literals.commit()
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
