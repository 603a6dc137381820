// The values of several lists as one list without repetitions.

/** Characters that are remembered; what comes after them may be passed on twice. */
const MAX_REMEMBERED = 8_388_608

/** Passes each distinct value on once. */
export class UniqueValues {
  readonly #emit: (value: string) => void
  readonly #seen = new Set<string>()
  #characters = 0

  constructor(emit: (value: string) => void) {
    this.#emit = emit
  }

  add(value: string): void {
    if (this.#seen.has(value)) return
    this.#emit(value)
    if (this.#characters + value.length > MAX_REMEMBERED) return
    this.#characters += value.length
    this.#seen.add(value)
  }
}
