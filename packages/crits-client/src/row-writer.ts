/**
 * Writes a result row in the form in which a batch carries it: two JSON strings in UTF-8, the main column and, as a Python 2
 * literal, the other columns (`crits/crits:crits/services/handlers.py`, `ast.literal_eval`). Both escapings are done in one go.
 */
import { escapesOf, JsonValues } from './json-values.js'
import type { RowLog } from './row-log.js'

/** What a column may hold: text, an integer, or a list of objects with the same keys. */
export type Cell = string | number | readonly Readonly<Record<string, string>>[]

/** Changes whenever the same value would be encoded differently; part of the digest that makes stored progress valid. */
export const ENCODER_VERSION = 1

/** Largest encoded row, in bytes: leaves room for the other fields of a request of `REQUEST_BYTES_MAX`. */
const ROW_BYTES_MAX = 1_000_000

/** Bookkeeping of MongoDB for one field or list element, as counted against the 16 MB document limit. */
const FIELD_BYTES = 16
const NUMBER_BYTES = 8

export interface RowToWrite {
  readonly result: string
  /** Names fixed in the code: ASCII that needs no escape, and none of `result`, `subtype`, `_cls`, `items`, which CRITs takes for its own. */
  readonly columns: readonly string[]
  /** A column that is missing here is blank. */
  readonly fields: Readonly<Record<string, Cell>>
}

export interface WrittenRow {
  /** Estimated bytes of columns and main text in CRITs' database: UTF-8 of keys and values, and 16 per field or list element. */
  readonly storedBytes: number
  /** Strings and lists that were shortened. */
  readonly cuts: number
}

export class RowWriter {
  /** By key: its text and what stands around it. */
  readonly #keys = new Map<string, string>()
  #out = new JsonValues()
  #maxChars = 0
  #storedBytes = 0
  #cuts = 0

  /**
   * Writes a row into `log`, where it is not yet committed. Lone surrogates become U+FFFD; numbers that are no integers of up
   * to 53 bits become text: BSON or the parser refuses them. A text of more than `maxChars` UTF-16 code units is cut and says
   * so, and so is a list of more elements; both limits are halved until the row fits into a request.
   */
  write(log: RowLog, row: RowToWrite, maxChars: number): WrittenRow {
    for (let limit = maxChars; ; limit >>= 1) {
      this.#storedBytes = this.#cuts = 0
      this.#maxChars = limit
      this.#result(log.results, row.result)
      this.#columns(log.literals, row)
      if (log.results.written + log.literals.written <= ROW_BYTES_MAX) {
        return { storedBytes: this.#storedBytes, cuts: this.#cuts }
      }
    }
  }

  #result(out: JsonValues, result: string): void {
    out.begin()
    out.ascii('"')
    this.#storedBytes += out.text(this.#cut(result), IN_JSON)
    out.ascii('"')
  }

  #columns(out: JsonValues, { columns, fields }: RowToWrite): void {
    this.#out = out
    out.begin()
    let before = '"{'
    for (const key of columns) {
      out.ascii(before)
      this.#key(key)
      this.#cell(fields[key] ?? '')
      before = ', '
    }
    out.ascii(columns.length > 0 ? '}"' : '"{}"')
  }

  #key(key: string): void {
    let written = this.#keys.get(key)
    if (written === undefined) {
      written = `${QUOTE}${key}${QUOTE}: `
      this.#keys.set(key, written)
    }
    this.#out.ascii(written)
    this.#storedBytes += FIELD_BYTES + key.length
  }

  #cell(value: Cell): void {
    if (typeof value === 'object') this.#list(value)
    else if (Number.isSafeInteger(value)) {
      this.#out.ascii(String(value))
      this.#storedBytes += NUMBER_BYTES
    } else this.#text(this.#cut(String(value)))
  }

  #list(list: readonly Readonly<Record<string, string>>[]): void {
    const isCut = list.length > this.#maxChars
    const kept = isCut ? [...list.slice(0, this.#maxChars), cutElement(list)] : list
    if (isCut) this.#cuts += 1
    this.#storedBytes += FIELD_BYTES * kept.length
    let before = '[{'
    for (const element of kept) {
      this.#out.ascii(before)
      let comma = ''
      for (const key in element) {
        this.#out.ascii(comma)
        this.#key(key)
        this.#text(this.#cut(element[key] ?? ''))
        comma = ', '
      }
      before = '}, {'
    }
    this.#out.ascii(kept.length > 0 ? '}]' : '[]')
  }

  #text(text: string): void {
    this.#out.ascii(QUOTE)
    this.#storedBytes += this.#out.text(text, IN_LITERAL)
    this.#out.ascii(QUOTE)
  }

  #cut(text: string): string {
    if (text.length <= this.#maxChars) return text
    this.#cuts += 1
    return cutText(text, this.#maxChars)
  }
}

/** A quote of the literal, inside a JSON string. */
const QUOTE = '\\"'
const PYTHON_NAMES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

const inJson = (text: string) => JSON.stringify(text).slice(1, -1)
const IN_JSON = escapesOf(inJson)
/** In a string of a Python literal in a JSON string. Python 2 keeps JSON's `\u0001` as six characters. */
const IN_LITERAL = escapesOf(char => inJson(inPython(char)))

function inPython(char: string): string {
  const isControl = /\p{Cc}/u.test(char)
  return PYTHON_NAMES[char] ?? (isControl ? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char)
}

/** CRITs prints a list of objects as a table with the keys of its first row, so the marker takes their shape. */
function cutElement(list: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const keys = Object.keys(list[0] ?? {})
  return Object.fromEntries(keys.map((key, index) => [key, index === 0 ? `… (cut, ${list.length} elements)` : '']))
}

/** `text`, or its first `limit` UTF-16 code units and a marker with the full length; never half a surrogate pair. */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text
  const last = text.charCodeAt(limit - 1)
  const end = last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit
  return `${text.slice(0, end)}… (cut, ${text.length} characters)`
}
