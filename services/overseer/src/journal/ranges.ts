// Which events of which instance are in a journal: sequence numbers without gaps, as ranges. What is between two was lost.
import { type PipelineEvent, validator } from '@cuckoo-distributed/core'
import Type, { type Static } from 'typebox'

const RangeWire = Type.Object({
  service: Type.String(),
  instance: Type.String(),
  first: Type.Number(),
  last: Type.Number(),
  /** Milliseconds since 1970, of the first and the last one. */
  firstAt: Type.Number(),
  lastAt: Type.Number(),
})
const RangesWire = Type.Array(RangeWire)
export type Range = Static<typeof RangeWire>

/** What is kept with a part of a journal. */
export const MetaWire = Type.Object({
  ranges: RangesWire,
  /** Who consumes a queue, as far as events have told. */
  queues: Type.Record(Type.String(), Type.String()),
})
export type Meta = Readonly<Static<typeof MetaWire>>
const isMetaWire = validator(MetaWire)

/** Events of an instance that are missing. */
export interface Gap {
  readonly service: string
  readonly instance: string
  readonly events: number
  readonly from: number
  readonly to: number
}

const NO_META: Meta = { ranges: [], queues: {} }

/** What is damaged counts as nothing. */
export function readMeta(value: unknown): Meta {
  return isMetaWire(value) ? value : NO_META
}

const MAX_QUEUES = 200
const MAX_RANGES = 2000

/** Gathers what a part of a journal holds. */
export class MetaCollector {
  readonly #ranges = new Map<string, Range[]>()
  readonly #queues = new Map<string, string>()
  #count = 0

  add({ service, instance, seq, at, event, queue }: PipelineEvent): void {
    if (queue !== undefined && (event === 'started' || event === 'received') && this.#queues.size < MAX_QUEUES)
      this.#queues.set(queue, service)
    const ranges = this.#ranges.get(instance) ?? []
    if (ranges.length === 0) this.#ranges.set(instance, ranges)
    const current = ranges.at(-1)
    if (current && seq <= current.last && seq >= current.first) return // the broker delivered it again
    if (current && seq === current.last + 1) {
      current.last = seq
      current.lastAt = Math.max(current.lastAt, at)
    } else if (this.#count < MAX_RANGES) {
      ranges.push({ service, instance, first: seq, last: seq, firstAt: at, lastAt: at })
      this.#count += 1
    }
  }

  get meta(): Meta {
    return { ranges: [...this.#ranges.values()].flat(), queues: Object.fromEntries(this.#queues) }
  }
}

/** Of several parts together. */
export function mergeMeta(parts: readonly Meta[]): Meta {
  return {
    ranges: mergeRanges(parts.flatMap(({ ranges }) => ranges)),
    queues: Object.assign({}, ...parts.map(({ queues }) => queues)),
  }
}

function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = []
  const sorted = [...ranges].sort((a, b) =>
    a.instance < b.instance ? -1 : a.instance > b.instance ? 1 : a.first - b.first,
  )
  for (const range of sorted) {
    const before = merged.at(-1)
    if (before?.instance !== range.instance || range.first > before.last + 1) {
      merged.push({ ...range })
    } else if (range.last > before.last) {
      before.last = range.last
      before.lastAt = Math.max(before.lastAt, range.lastAt)
    }
  }
  return merged
}

/** What is missing between `from` and `to`, in milliseconds since 1970. `begin`: when the journal begins. */
export function gapsBetween({ ranges }: Meta, from: number, to: number, begin: number): Gap[] {
  const gaps: Gap[] = []
  let before: Range | undefined
  for (const range of ranges) {
    const { service, instance } = range
    const last = before?.instance === instance ? before : undefined
    before = range
    const events = range.first - (last?.last ?? 0) - 1
    const gap = { service, instance, events, from: last?.lastAt ?? begin, to: range.firstAt }
    if (events > 0 && gap.from <= to && gap.to >= from) gaps.push(gap)
  }
  return gaps
}

/** Of each instance the last event that was heard, to know whether the next one follows it. */
export class Sequences {
  readonly #last = new Map<string, number>()

  constructor({ ranges }: Meta = NO_META) {
    for (const { instance, last } of ranges) this.#hear(instance, last)
  }

  /** Whether nothing of the same instance is missing before it. */
  follows({ instance, seq }: Pick<PipelineEvent, 'instance' | 'seq'>): boolean {
    const last = this.#last.get(instance) ?? 0
    this.#hear(instance, seq)
    return seq <= last + 1
  }

  #hear(instance: string, seq: number): void {
    const last = this.#last.get(instance) ?? 0
    this.#last.delete(instance) // the one that is silent for longest is the first
    this.#last.set(instance, Math.max(last, seq))
    const [silent] = this.#last.keys()
    if (silent !== undefined && this.#last.size > MAX_RANGES) this.#last.delete(silent)
  }
}
