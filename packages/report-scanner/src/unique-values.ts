// The values of several lists as one list without repetitions.

/** Characters that are remembered; what comes after them may be passed on twice. */
const MAX_REMEMBERED = 8_388_608

/** Tells which values come for the first time. */
export class UniqueValues {
  readonly #seen = new Set<string>()
  #characters = 0

  /** Whether the value was not there before, as far as it is remembered. */
  add(value: string): boolean {
    if (this.#characters + value.length > MAX_REMEMBERED) return !this.#seen.has(value)
    const before = this.#seen.size
    if (this.#seen.add(value).size === before) return false
    this.#characters += value.length
    return true
  }
}
