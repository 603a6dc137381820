/** Packs neighbouring rows into the three parallel lists of one CRITs batch call. */

import type { RowStore } from './row-store.js'

/** Rows `from` (included) to `to` (excluded) as the JSON arrays that the fields of a batch call hold. */
export interface Batch {
  readonly from: number
  readonly to: number
  readonly results: Buffer
  readonly types: Buffer
  readonly subtypes: Buffer
}

const OPEN = Buffer.from('[')
const COMMA = Buffer.from(',')
const CLOSE = Buffer.from(']')

/** Bytes of the three fields of a batch without rows. */
const EMPTY_BYTES = 3 * (OPEN.length + CLOSE.length)

/**
 * The next batch from row `from`: as many rows as `maxBytes` of the three fields hold, but at least one.
 *
 * @param to end of the range, excluded
 * @throws RangeError when the range holds no row
 */
export function nextBatch(store: RowStore, from: number, to: number, maxBytes: number): Batch {
  const results: Buffer[] = []
  const types: Buffer[] = []
  const subtypes: Buffer[] = []
  let bytes = EMPTY_BYTES
  let rows = 0
  for (const row of store.rows(from, to)) {
    const subtype = Buffer.from(JSON.stringify(row.subtype))
    bytes += row.result.length + row.literal.length + subtype.length + (rows > 0 ? 3 * COMMA.length : 0)
    if (rows > 0 && bytes > maxBytes) break
    results.push(row.result, COMMA)
    types.push(row.literal, COMMA)
    subtypes.push(subtype, COMMA)
    rows += 1
  }
  if (rows === 0) throw new RangeError(`no rows from ${from} to ${to}`)
  return { from, to: from + rows, results: jsonArray(results), types: jsonArray(types), subtypes: jsonArray(subtypes) }
}

/** Bytes of a batch's three fields. */
export function batchBytes({ results, types, subtypes }: Batch): number {
  return results.length + types.length + subtypes.length
}

function jsonArray(itemsAndCommas: readonly Buffer[]): Buffer {
  return Buffer.concat([OPEN, ...itemsAndCommas.slice(0, -1), CLOSE])
}
