// The values of several lists as one list without repetitions.

/** Characters that are remembered; what comes after them may be passed on twice. */
const MAX_REMEMBERED = 8_388_608

/** Tells which values come for the first time. */
export class UniqueValues {
  readonly #seen = new Set<string>()
  #characters = 0

  /** Whether the value was not there before, as far as it is remembered. */
  add(value: string): boolean {
    if (this.#seen.has(value)) return false
    if (this.#characters + value.length > MAX_REMEMBERED) return true
    this.#characters += value.length
    this.#seen.add(value)
    return true
  }
}
