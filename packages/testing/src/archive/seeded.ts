/** A small seeded generator (xorshift32): the same seed gives the same test data on every machine. */
export class Seeded {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 2654435761) >>> 0 || 1
  }

  /** An unsigned 32-bit integer. */
  next(): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state >>> 0
    return this.#state
  }

  /** An integer from 0 to `limit` − 1. */
  below(limit: number): number {
    return this.next() % limit
  }

  /** One of `values`, which must not be empty. */
  pick<T>(values: readonly [T, ...T[]]): T {
    return values[this.below(values.length)] ?? values[0]
  }

  /** Lower-case hexadecimal digits. */
  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += this.next().toString(16).padStart(8, '0')
    return text.slice(0, digits)
  }
}
