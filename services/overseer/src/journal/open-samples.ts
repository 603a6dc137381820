// Which samples are under way and where, as far as a bounded memory goes.
import type { PipelineEvent } from '@cuckoo-distributed/core'

const MOST_SAMPLES = 100_000
/** Messages may name any sandbox; further places are one. */
const MOST_PLACES = 1000
const ENDS: ReadonlySet<string> = new Set(['complete', 'done', 'dumped'])

/** What was last told of a sample that is under way. */
export interface Place {
  readonly service: string
  readonly event: string
  /** What it waits for. */
  readonly for?: string
  readonly sandbox?: string
  /** Of its last failure. */
  readonly code?: string
}

export interface CrowdedPlace extends Place {
  /** Samples that are there. */
  readonly count: number
}

const ELSEWHERE: Place = { service: '', event: '' }

interface Sample {
  readonly since: number
  /** When it was last told of; milliseconds since 1970. */
  at: number
  place: Place
  /** It may have ended without a word to this overseer. */
  isDoubtful: boolean
}

export class OpenSamples {
  /** By analysis, the one first that is under way for longest. */
  readonly #samples = new Map<string, Sample>()
  /** Each once in memory, whatever is there. */
  readonly #places = new Map<string, Place>()
  readonly #most: number
  /** Some of them may be doubtful. */
  #mayDoubt = false

  constructor(most = MOST_SAMPLES) {
    this.#most = most
  }

  add(event: PipelineEvent): void {
    const { analysis, at } = event
    if (analysis === undefined) return
    const sample = this.#samples.get(analysis)
    if (ENDS.has(event.event)) this.#samples.delete(analysis)
    else if (sample) Object.assign(sample, { at, place: this.#place(event), isDoubtful: false })
    else this.#begin(analysis, { since: at, at, place: this.#place(event), isDoubtful: false })
  }

  /** What happened was told to somebody else, or to nobody: who was last told of before `at` counts again once there is news of it. */
  doubt(at = Number.POSITIVE_INFINITY): void {
    for (const sample of this.#samples.values()) if (sample.at < at) sample.isDoubtful = true
    this.#mayDoubt = true
  }

  #begin(analysis: string, sample: Sample): void {
    if (this.#samples.size >= this.#most && this.#mayDoubt) {
      for (const [each, { isDoubtful }] of this.#samples) if (isDoubtful) this.#samples.delete(each)
      this.#mayDoubt = false
    }
    if (this.#samples.size < this.#most) this.#samples.set(analysis, sample)
  }

  clear(): void {
    this.#samples.clear()
    this.#places.clear()
  }

  get count(): number {
    let count = 0
    for (const { isDoubtful } of this.#samples.values()) if (!isDoubtful) count += 1
    return count
  }

  get oldest(): { readonly analysis: string; readonly since: number } | undefined {
    for (const [analysis, { since, isDoubtful }] of this.#samples) if (!isDoubtful) return { analysis, since }
    return undefined
  }

  /** Where the samples are. */
  get places(): CrowdedPlace[] {
    const counts = new Map<Place, number>()
    for (const { place, isDoubtful } of this.#samples.values())
      if (!isDoubtful) counts.set(place, (counts.get(place) ?? 0) + 1)
    return [...counts].map(([place, count]) => ({ ...place, count }))
  }

  /** How many samples wait for each shared cause, by its code. */
  get waiting(): ReadonlyMap<string, number> {
    return causesIn(this.places)
  }

  #place({ service, event, for: what, sandbox, code }: PipelineEvent): Place {
    const key = JSON.stringify([service, event, what, sandbox, code])
    const known = this.#places.get(key)
    if (known) return known
    if (this.#places.size >= MOST_PLACES) return ELSEWHERE
    const place = {
      service,
      event,
      ...(what !== undefined && { for: what }),
      ...(sandbox !== undefined && { sandbox }),
      ...(code !== undefined && { code }),
    }
    this.#places.set(key, place)
    return place
  }
}

/** How many samples wait for each cause that others share, by its code. */
export function causesIn(places: readonly CrowdedPlace[]): Map<string, number> {
  const waiting = new Map<string, number>()
  for (const { event, code, count } of places) {
    if (event === 'waits for its cause' && code !== undefined) waiting.set(code, (waiting.get(code) ?? 0) + count)
  }
  return waiting
}
