/** Holds an analysis' result rows as encoded bytes until they are posted to CRITs. */

import { RowLog } from './row-log.js'
import { type Cell, RowWriter } from './row-writer.js'

/**
 * Subtypes in the order they are posted. CRITs joins only neighbouring rows of one subtype into a table
 * (`crits/crits:crits/services/templates/services_results_default.html`), and `api_call` is last because only it may be cut.
 */
export const POSTING_ORDER = [
  'info',
  'score',
  'detection',
  'config',
  'signature',
  'ttp',
  'process',
  'file',
  'registry_key',
  'mutex',
  // The names and the order of crits/crits_services:cuckoo_service/__init__.py.
  'Host',
  'Domain',
  'Resolved IP',
  'HTTP Request',
  'User-Agent',
  'file_added',
  'payload_added',
  'pcap_added',
  'api_call',
] as const

export type Subtype = (typeof POSTING_ORDER)[number]

/** One line of an analysis in CRITs. */
export interface ResultRow {
  readonly subtype: Subtype
  /** The main column; CRITs links it to a search for exactly this text. */
  readonly result: string
  /** The other columns, the same keys for every row of a subtype. */
  readonly fields?: Readonly<Record<string, Cell>>
}

/** Rows `first` (included) to `last` (excluded) of one subtype. */
export interface RowRange {
  readonly subtype: Subtype
  readonly rows: RowLog
  readonly first: number
  readonly last: number
}

/** What one analysis may occupy in CRITs, in bytes: MongoDB's limit for the document is 16 MB, log included. */
export const STORED_BYTES_MAX = 12_000_000

/** Longest string of a row kept whole, in UTF-16 code units. */
export const VALUE_CHARS_MAX = 65_536

/** Estimated bytes of a row in CRITs' database besides its columns: itself, and the fields `subtype` and `result`. */
const ROW_BYTES = 64 + 2 * 16 + 'subtype'.length + 'result'.length

export interface RowStoreOptions {
  /** Bytes that earlier stages of a chain stored for the same analysis. Default 0. */
  readonly storedBytes?: number
  /** Default `STORED_BYTES_MAX`. */
  readonly maxStoredBytes?: number
  /** Default `VALUE_CHARS_MAX`. */
  readonly maxValueChars?: number
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
  readonly #writer = new RowWriter()
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
   * @throws RangeError for a column that the subtype's first row has not
   */
  add(row: ResultRow): boolean {
    const isCall = row.subtype === 'api_call'
    if (isCall && this.cutCalls > 0) return this.#refuseCall()
    const table = this.#table(row.subtype)
    const { subtype, result, fields = {} } = row
    const columns = columnsOf(table, row)
    const written = this.#writer.write(table.log, { result, columns, fields }, this.#maxValueChars)
    const storedBytes = ROW_BYTES + subtype.length + written.storedBytes
    if (isCall && this.#storedBytes + storedBytes > this.#maxStoredBytes) return this.#refuseCall()
    if (!this.#makeRoom(storedBytes)) return false
    table.log.commit(storedBytes)
    this.#storedBytes += storedBytes
    this.cutValues += written.cuts
    return true
  }

  /** The rows numbered `from` (included) to `to` (excluded), in posting order. */
  *ranges(from: number, to: number = this.rowCount): Generator<RowRange> {
    let before = 0
    for (const [subtype, { log: rows }] of this.#tables) {
      const first = Math.max(0, from - before)
      const last = Math.min(to - before, rows.length)
      if (first < last) yield { subtype, rows, first, last }
      before += rows.length
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

function columnsOf(table: Table, { subtype, fields = {} }: ResultRow): readonly string[] {
  table.columns ??= Object.keys(fields)
  // CRITs would show it under the wrong headings.
  for (const key in fields) if (!table.columns.includes(key)) throw new RangeError(`${subtype} has no column "${key}"`)
  return table.columns
}
