/** What CRITs stores of rows: the literal as Python 2 reads it and MongoDB takes it. */
import { bsonFromPython, parsePy2Literal } from '@cuckoo-distributed/testing'
import type { ResultRow, RowStore } from '../src/row-store.js'

export interface PostedRow {
  readonly subtype: string
  readonly result: string
  readonly literal: string
}

/** The rows as a batch carries them. */
export function postedRows(store: RowStore, from = 0, to = store.rowCount): PostedRow[] {
  return [...store.ranges(from, to)].flatMap(({ subtype, rows, first, last }) => {
    const results = textsOf(rows.results.slice(first, last))
    const literals = textsOf(rows.literals.slice(first, last))
    return results.map((result, index) => ({ subtype, result, literal: literals[index] ?? '' }))
  })
}

/** JSON texts with a comma behind each. */
function textsOf(values: Buffer): string[] {
  return JSON.parse(`[${values.toString().slice(0, -1)}]`)
}

/** What is stored of the other columns. */
export function stored(literal: string) {
  return bsonFromPython(parsePy2Literal(literal))
}

/** What should be stored of them. */
export function expected(fields: ResultRow['fields']): unknown {
  const entries = Object.entries(fields ?? {}).map(([key, value]) => {
    if (typeof value === 'string') return [key, value.toWellFormed()]
    if (typeof value === 'number') return [key, Number.isSafeInteger(value) ? value + 0 : String(value)]
    return [key, value.map(item => Object.fromEntries(Object.entries(item).map(([k, v]) => [k, v.toWellFormed()])))]
  })
  return Object.fromEntries(entries)
}
