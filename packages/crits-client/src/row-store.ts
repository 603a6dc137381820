/** Holds an analysis' result rows as encoded bytes until they are posted to CRITs. */

import { cutText, encodeLiteral, type LiteralLimits, type PyValue } from './py-literal.js'
import { RowLog } from './row-log.js'

/**
 * Subtypes in the order they are posted. CRITs joins only neighbouring rows of one subtype into a table
 * (`crits/crits:crits/services/templates/services_results_default.html`), and `api_call` is last because only it may be cut.
 */
export const POSTING_ORDER = [
  'info',
  'signature',
  'process',
  'file',
  'registry_key',
  'mutex',
  'file_added',
  'api_call',
] as const

export type Subtype = (typeof POSTING_ORDER)[number]

/** One line of an analysis in CRITs. */
export interface ResultRow {
  readonly subtype: Subtype
  /** The main column; CRITs links it to a search for exactly this text. */
  readonly result: string
  /** The other columns, the same keys for every row of a subtype. */
  readonly fields?: Readonly<Record<string, PyValue>>
}

/** A row as JSON string literals in UTF-8: the form in which a batch carries it. */
export interface EncodedRow {
  readonly subtype: Subtype
  readonly result: Buffer
  readonly literal: Buffer
}

/** What one analysis may occupy in CRITs, in bytes: MongoDB's limit for the document is 16 MB, log included. */
export const STORED_BYTES_MAX = 12_000_000

/** Longest string of a row kept whole, in UTF-16 code units. */
export const VALUE_CHARS_MAX = 65_536

/** Largest encoded row, in bytes: leaves room for the other fields of a request of `REQUEST_BYTES_MAX`. */
const ROW_BYTES_MAX = 1_000_000

const ROW_BYTES = 64
const FIELD_BYTES = 16

export interface RowStoreOptions {
  /** Bytes that earlier stages of a chain stored for the same analysis. Default 0. */
  readonly storedBytes?: number
  /** Default `STORED_BYTES_MAX`. */
  readonly maxStoredBytes?: number
  /** Default `VALUE_CHARS_MAX`. */
  readonly maxValueChars?: number
}

/** A row has other columns than the first of its subtype: CRITs would show them under the wrong headings. */
export class RowColumnsError extends Error {
  readonly code = 'ROW_COLUMNS'

  constructor(subtype: Subtype, key: string) {
    super(`row of subtype ${subtype} has a field ${JSON.stringify(key)} that the first row of this subtype has not`)
    this.name = 'RowColumnsError'
  }
}

interface Table {
  readonly log: RowLog
  columns?: readonly string[]
}

/**
 * Rows of one analysis, numbered in posting order whatever the order of `add`.
 *
 * When the stored bytes exceed the limit, `api_call` rows give way from the end; a row of another subtype is refused only
 * when no call is left.
 */
export class RowStore {
  /** `api_call` rows that were left out. */
  cutCalls = 0
  /** Strings and lists that were shortened. */
  cutValues = 0
  readonly #tables: ReadonlyMap<Subtype, Table>
  readonly #maxStoredBytes: number
  readonly #maxValueChars: number
  #storedBytes: number

  constructor({ storedBytes = 0, maxStoredBytes, maxValueChars }: RowStoreOptions = {}) {
    this.#storedBytes = storedBytes
    this.#maxStoredBytes = maxStoredBytes ?? STORED_BYTES_MAX
    this.#maxValueChars = maxValueChars ?? VALUE_CHARS_MAX
    this.#tables = new Map(POSTING_ORDER.map(subtype => [subtype, { log: new RowLog() }]))
  }

  /** Bytes of the analysis in CRITs' database once all rows are posted, those of earlier stages included. */
  get storedBytes(): number {
    return this.#storedBytes
  }

  get rowCount(): number {
    let count = 0
    for (const { log } of this.#tables.values()) count += log.length
    return count
  }

  /** Number of the first row of `subtype`: how many rows are posted before it. */
  rowsBefore(subtype: Subtype): number {
    let count = 0
    for (const earlier of POSTING_ORDER.slice(0, POSTING_ORDER.indexOf(subtype)))
      count += this.#table(earlier).log.length
    return count
  }

  /**
   * Encodes and keeps a row; its columns are those of the subtype's first row, missing ones blank.
   *
   * @returns whether the row fitted. A refused `api_call` is counted in `cutCalls`, any other must be reported by the caller.
   * @throws RowColumnsError for a column that the subtype's first row has not
   */
  add(row: ResultRow): boolean {
    const isCall = row.subtype === 'api_call'
    if (isCall && this.cutCalls > 0) return this.#refuseCall()
    const table = this.#table(row.subtype)
    const encoded = encodeRow(row, alignColumns(table, row), this.#maxValueChars)
    if (isCall && this.#storedBytes + encoded.storedBytes > this.#maxStoredBytes) return this.#refuseCall()
    if (!this.#makeRoom(encoded.storedBytes)) return false
    table.log.append(encoded.result, encoded.literal, encoded.storedBytes)
    this.#storedBytes += encoded.storedBytes
    this.cutValues += encoded.cuts
    return true
  }

  /** Rows of one subtype. */
  count(subtype: Subtype): number {
    return this.#table(subtype).log.length
  }

  /** Forgets the rows of a subtype from number `length` on, as when a report repeats the section they came from. */
  truncate(subtype: Subtype, length: number): void {
    const table = this.#table(subtype)
    // Calls that were cut stay cut unless there is room again.
    if (subtype === 'api_call' && table.log.length > length) this.cutCalls = 0
    while (table.log.length > length) this.#storedBytes -= table.log.pop()
    if (length === 0) delete table.columns
  }

  /** The rows numbered `from` (included) to `to` (excluded), in posting order. */
  *rows(from: number, to: number = this.rowCount): Generator<EncodedRow> {
    let first = 0
    for (const [subtype, { log }] of this.#tables) {
      const end = Math.min(to - first, log.length)
      for (let index = Math.max(0, from - first); index < end; index += 1) yield { subtype, ...log.at(index) }
      first += log.length
    }
  }

  #table(subtype: Subtype): Table {
    const table = this.#tables.get(subtype)
    if (!table) throw new RangeError(`unknown subtype ${String(subtype)}`)
    return table
  }

  /** Calls are kept up to the first that does not fit, so that their sequence has no holes. */
  #refuseCall(): false {
    this.cutCalls += 1
    return false
  }

  #makeRoom(bytes: number): boolean {
    const calls = this.#table('api_call').log
    if (this.#storedBytes - calls.storedBytes + bytes > this.#maxStoredBytes) return false
    while (this.#storedBytes + bytes > this.#maxStoredBytes) {
      this.#storedBytes -= calls.pop()
      this.cutCalls += 1
    }
    return true
  }
}

function alignColumns(table: Table, { subtype, fields = {} }: ResultRow): Readonly<Record<string, PyValue>> {
  table.columns ??= Object.keys(fields)
  const columns = table.columns
  for (const key of Object.keys(fields)) if (!columns.includes(key)) throw new RowColumnsError(subtype, key)
  return Object.fromEntries(columns.map(key => [key, fields[key]]))
}

interface EncodedParts {
  readonly result: string
  readonly literal: string
  readonly storedBytes: number
  readonly cuts: number
}

/** Halves the limits until the row fits into a request: many values below the cap can be too much together. */
function encodeRow(row: ResultRow, fields: Readonly<Record<string, PyValue>>, maxValueChars: number): EncodedParts {
  let limits: LiteralLimits = { valueChars: maxValueChars, listItems: maxValueChars }
  let encoded = encodeParts(row, fields, limits)
  while (
    Buffer.byteLength(encoded.result) + Buffer.byteLength(encoded.literal) > ROW_BYTES_MAX &&
    limits.valueChars > 1
  ) {
    limits = { valueChars: limits.valueChars >> 1, listItems: limits.listItems >> 1 }
    encoded = encodeParts(row, fields, limits)
  }
  return encoded
}

function encodeParts(row: ResultRow, fields: Readonly<Record<string, PyValue>>, limits: LiteralLimits): EncodedParts {
  const { literal, storedBytes, cuts } = encodeLiteral(fields, limits)
  const result = cutText(row.result, limits.valueChars).toWellFormed()
  const ownBytes = `subtype${row.subtype}result`.length + Buffer.byteLength(result)
  return {
    result: JSON.stringify(result),
    literal: JSON.stringify(literal),
    storedBytes: storedBytes + ownBytes + 2 * FIELD_BYTES + ROW_BYTES,
    cuts: cuts + (row.result.length > limits.valueChars ? 1 : 0),
  }
}
