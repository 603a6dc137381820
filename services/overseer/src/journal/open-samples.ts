// Which samples are under way, as far as a bounded memory goes.
import type { PipelineEvent } from '@cuckoo-distributed/core'

const MOST_SAMPLES = 100_000
const ENDS: ReadonlySet<string> = new Set(['complete', 'done', 'dumped'])

export class OpenSamples {
  /** By analysis, the one first that is under way for longest. */
  readonly #since = new Map<string, number>()
  readonly #most: number

  constructor(most = MOST_SAMPLES) {
    this.#most = most
  }

  add({ analysis, event, at }: PipelineEvent): void {
    if (analysis === undefined) return
    if (ENDS.has(event)) this.#since.delete(analysis)
    else if (!this.#since.has(analysis) && this.#since.size < this.#most) this.#since.set(analysis, at)
  }

  get count(): number {
    return this.#since.size
  }

  get oldest(): { readonly analysis: string; readonly since: number } | undefined {
    const [first] = this.#since
    return first && { analysis: first[0], since: first[1] }
  }
}
