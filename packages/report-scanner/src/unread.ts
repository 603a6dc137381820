// What was wanted and could not be read.
import type { JsonError, Node } from '@cuckoo-distributed/json-scanner'

/** Counts values that are left out, by what they are and why: the report goes on without them. */
export class Unread {
  readonly #counts = new Map<string, number>()

  /** By sentences such as `API calls could not be read: no objects`. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts
  }

  add(what: string, problem: string, count = 1): void {
    const sentence = `${what} could not be read: ${problem}`
    this.#counts.set(sentence, (this.#counts.get(sentence) ?? 0) + count)
  }

  /** For a node that takes whole values, which are `what`: those that are too deep or too large are counted. */
  counting(what: string): Required<Pick<Node, 'unreadable'>> {
    return {
      unreadable: (error: JsonError) => {
        if (error.code === 'syntax') throw error
        this.add(what, error.problem)
      },
    }
  }
}
