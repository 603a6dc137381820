// Which samples are under way, as far as a bounded memory goes.
import type { PipelineEvent } from '@cuckoo-distributed/core'

const MOST_SAMPLES = 100_000
const ENDS: ReadonlySet<string> = new Set(['complete', 'done', 'dumped'])

interface Sample {
  readonly since: number
  /** Code of the cause that it waits for, which others share. */
  cause: string | undefined
}

export class OpenSamples {
  /** By analysis, the one first that is under way for longest. */
  readonly #samples = new Map<string, Sample>()
  readonly #most: number

  constructor(most = MOST_SAMPLES) {
    this.#most = most
  }

  add({ analysis, event, at, code }: PipelineEvent): void {
    if (analysis === undefined) return
    const sample = this.#samples.get(analysis)
    const cause = event === 'waits for its cause' ? code : undefined
    if (ENDS.has(event)) this.#samples.delete(analysis)
    else if (sample) sample.cause = cause
    else if (this.#samples.size < this.#most) this.#samples.set(analysis, { since: at, cause })
  }

  get count(): number {
    return this.#samples.size
  }

  get oldest(): { readonly analysis: string; readonly since: number } | undefined {
    const [first] = this.#samples
    return first && { analysis: first[0], since: first[1].since }
  }

  /** How many samples wait for each shared cause, by its code. */
  get waiting(): ReadonlyMap<string, number> {
    const waiting = new Map<string, number>()
    for (const { cause } of this.#samples.values()) {
      if (cause !== undefined) waiting.set(cause, (waiting.get(cause) ?? 0) + 1)
    }
    return waiting
  }
}
