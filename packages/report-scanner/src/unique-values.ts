// The values of several lists as one list without repetitions.

/** Characters that are remembered; what comes after them may be passed on twice. */
const MAX_REMEMBERED = 8_388_608

/** Passes each distinct value on once, and knows which lists it came from, so that one of the lists can be taken back. */
export class UniqueValues {
  readonly #emit: (value: string) => void
  readonly #reset: () => void
  readonly #lists = new Map<string, number>() // value → one bit for each list that has it
  #seen = 0
  #characters = 0

  constructor(emit: (value: string) => void, reset: () => void) {
    this.#emit = emit
    this.#reset = reset
  }

  /** List number `list` begins. If it was there before, its earlier values no longer count. */
  begin(list: number): void {
    const bit = 1 << list
    if ((this.#seen & bit) !== 0) this.#forget(bit)
    this.#seen |= bit
  }

  add(list: number, value: string): void {
    const lists = this.#lists.get(value)
    if (lists === undefined) this.#emit(value)
    if (lists === undefined && this.#characters + value.length > MAX_REMEMBERED) return
    if (lists === undefined) this.#characters += value.length
    this.#lists.set(value, (lists ?? 0) | (1 << list))
  }

  /** No list counts any more. */
  clear(): void {
    if (this.#seen !== 0) this.#reset()
    this.#lists.clear()
    this.#seen = this.#characters = 0
  }

  #forget(bit: number): void {
    this.#reset()
    for (const [value, lists] of this.#lists) {
      if (lists === bit) {
        this.#lists.delete(value)
        this.#characters -= value.length
      } else {
        this.#lists.set(value, lists & ~bit)
        this.#emit(value)
      }
    }
  }
}
