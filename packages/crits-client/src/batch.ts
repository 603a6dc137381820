/** Packs neighbouring rows into the three parallel lists of one CRITs batch call. */

import type { RowStore } from './row-store.js'

/**
 * Rows `from` (included) to `to` (excluded) as the JSON arrays that the fields of a batch call hold, in pieces: most are views
 * of the store, valid until the next row is added.
 */
export interface Batch {
  readonly from: number
  readonly to: number
  readonly results: readonly Buffer[]
  readonly types: readonly Buffer[]
  readonly subtypes: readonly Buffer[]
}

const OPEN = Buffer.from('[')
const CLOSE = Buffer.from(']')

/** Bytes of the three fields besides rows and their commas: the last row has no comma. */
const FRAME_BYTES = 3

/**
 * The next batch from row `from`: as many rows as `maxBytes` of the three fields hold, but at least one.
 *
 * @param to end of the range, excluded
 * @throws RangeError when the range holds no row
 */
export function nextBatch(store: RowStore, from: number, to: number, maxBytes: number): Batch {
  const end = from + rowsThatFit(store, from, to, maxBytes)
  if (end === from) throw new RangeError(`no rows from ${from} to ${to}`)
  const ranges = [...store.ranges(from, end)]
  return {
    from,
    to: end,
    results: jsonArray(ranges.map(({ rows, first, last }) => rows.results.slice(first, last))),
    types: jsonArray(ranges.map(({ rows, first, last }) => rows.literals.slice(first, last))),
    subtypes: jsonArray(ranges.map(({ subtype, first, last }) => Buffer.from(`"${subtype}",`.repeat(last - first)))),
  }
}

function rowsThatFit(store: RowStore, from: number, to: number, maxBytes: number): number {
  let bytes = FRAME_BYTES
  let count = 0
  for (const { subtype, rows, first, last } of store.ranges(from, to)) {
    for (let index = first; index < last; index += 1) {
      bytes += rows.bytes(index) + `"${subtype}",`.length
      if (count > 0 && bytes > maxBytes) return count
      count += 1
    }
  }
  return count
}

/** Bytes of a batch's three fields. */
export function batchBytes({ results, types, subtypes }: Batch): number {
  return [...results, ...types, ...subtypes].reduce((sum, { length }) => sum + length, 0)
}

/** Values with a comma behind each, as a list. */
function jsonArray(values: readonly Buffer[]): Buffer[] {
  return [OPEN, ...values.slice(0, -1), ...values.slice(-1).map(last => last.subarray(0, -1)), CLOSE]
}
