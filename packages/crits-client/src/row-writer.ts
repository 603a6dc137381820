/**
 * Writes a result row in the form in which a batch carries it: two JSON strings in UTF-8, the main column and, as a Python 2
 * literal, the other columns (`crits/crits:crits/services/handlers.py`, `ast.literal_eval`). Both escapings are done in one go.
 */

/** What a column may hold: text, an integer, or a list of objects with the same keys. */
export type Cell = string | number | readonly Readonly<Record<string, string>>[]

/** Changes whenever the same value would be encoded differently; part of the digest that makes stored progress valid. */
export const ENCODER_VERSION = 1

/** Largest encoded row, in bytes: leaves room for the other fields of a request of `REQUEST_BYTES_MAX`. */
const ROW_BYTES_MAX = 1_000_000

/** Bookkeeping of MongoDB for one field or list element, as counted against the 16 MB document limit. */
const FIELD_BYTES = 16
const NUMBER_BYTES = 8

/** Bytes that one UTF-16 code unit takes at most, escaped. */
const BYTES_PER_CHAR = 6

/** A row as bytes that stay valid until the next one is written. */
export interface WrittenRow {
  readonly result: Buffer
  readonly literal: Buffer
  /** Estimated bytes of columns and main text in CRITs' database: UTF-8 of keys and values, and 16 per field or list element. */
  readonly storedBytes: number
  /** Strings and lists that were shortened. */
  readonly cuts: number
}

export class RowWriter {
  #bytes = Buffer.allocUnsafe(16 * 1024)
  #end = 0
  #maxChars = 0
  #storedBytes = 0
  #cuts = 0

  /**
   * Lone surrogates become U+FFFD; numbers that are no integers of up to 53 bits become text: BSON or the parser refuses them.
   * A column that `fields` has not is blank. A text of more than `maxChars` UTF-16 code units is cut and says so, and so is a
   * list of more elements; both limits are halved until the row fits into a request.
   */
  write(
    result: string,
    columns: readonly string[],
    fields: Readonly<Record<string, Cell>>,
    maxChars: number,
  ): WrittenRow {
    for (let limit = maxChars; ; limit >>= 1) {
      this.#end = this.#storedBytes = this.#cuts = 0
      this.#maxChars = limit
      this.#raw('"')
      this.#escaped(this.#cut(result), IN_JSON)
      this.#raw('"')
      const split = this.#end
      this.#columns(columns, fields)
      if (this.#end > ROW_BYTES_MAX && limit > 1) continue
      return {
        result: this.#bytes.subarray(0, split),
        literal: this.#bytes.subarray(split, this.#end),
        storedBytes: this.#storedBytes,
        cuts: this.#cuts,
      }
    }
  }

  #columns(columns: readonly string[], fields: Readonly<Record<string, Cell>>): void {
    this.#raw('"{')
    let before = ''
    for (const key of columns) {
      this.#raw(before)
      this.#key(key)
      this.#cell(fields[key] ?? '')
      before = ', '
    }
    this.#raw('}"')
  }

  #key(key: string): void {
    this.#storedBytes += FIELD_BYTES
    this.#text(key)
    this.#raw(': ')
  }

  #cell(value: Cell): void {
    if (typeof value === 'object') this.#list(value)
    else if (Number.isSafeInteger(value)) {
      this.#raw(String(value))
      this.#storedBytes += NUMBER_BYTES
    } else this.#text(this.#cut(String(value)))
  }

  #list(list: readonly Readonly<Record<string, string>>[]): void {
    const isCut = list.length > this.#maxChars
    const kept = isCut ? [...list.slice(0, this.#maxChars), cutElement(list)] : list
    if (isCut) this.#cuts += 1
    this.#storedBytes += FIELD_BYTES * kept.length
    this.#raw('[')
    let before = '{'
    for (const element of kept) {
      this.#raw(before)
      let comma = ''
      for (const key in element) {
        this.#raw(comma)
        this.#key(key)
        this.#text(this.#cut(element[key] ?? ''))
        comma = ', '
      }
      before = '}, {'
    }
    this.#raw(kept.length > 0 ? '}]' : ']')
  }

  #text(text: string): void {
    this.#raw(QUOTE)
    this.#escaped(text, IN_LITERAL)
    this.#raw(QUOTE)
  }

  #cut(text: string): string {
    if (text.length <= this.#maxChars) return text
    this.#cuts += 1
    return cutText(text, this.#maxChars)
  }

  /** Text of a few ASCII characters, as it is. */
  #raw(text: string): void {
    this.#reserve(text.length)
    const bytes = this.#bytes
    let end = this.#end
    for (let index = 0; index < text.length; index += 1) bytes[end++] = text.charCodeAt(index)
    this.#end = end
  }

  #escaped(text: string, escapes: Escapes): void {
    const { length } = text
    this.#reserve(length * BYTES_PER_CHAR)
    const bytes = this.#bytes
    const { isPlain, texts } = escapes
    let end = this.#end
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) {
        this.#end = end
        this.#storedBytes += index
        this.#beyondAscii(text.slice(index), escapes)
        return
      }
      if (isPlain[code] === 1) {
        bytes[end++] = code
        continue
      }
      const escaped = texts[code] ?? ''
      for (let at = 0; at < escaped.length; at += 1) bytes[end++] = escaped.charCodeAt(at)
    }
    this.#end = end
    this.#storedBytes += length
  }

  #beyondAscii(text: string, { texts }: Escapes): void {
    const whole = text.toWellFormed()
    this.#storedBytes += Buffer.byteLength(whole)
    this.#end += this.#bytes.write(
      whole.replace(SPECIAL, char => texts[char.charCodeAt(0)] ?? char),
      this.#end,
    )
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#end + bytes, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#end)
    this.#bytes = larger
  }
}

/** A quote of the literal, inside a JSON string. */
const QUOTE = '\\"'
const PYTHON_ESCAPES = new Map([...'"\\'].map(char => [char, `\\${char}`]))
  .set('\n', '\\n')
  .set('\r', '\\r')
  .set('\t', '\\t')
const SPECIAL = /[\p{Cc}"\\]/gu

/** What ASCII characters become, by their code. */
interface Escapes {
  readonly texts: readonly string[]
  /** 1 for what stays as it is. */
  readonly isPlain: Uint8Array
}

function escapesOf(escaped: (char: string) => string): Escapes {
  const chars = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code))
  return { texts: chars.map(escaped), isPlain: Uint8Array.from(chars, char => Number(escaped(char) === char)) }
}

const inJson = (text: string) => JSON.stringify(text).slice(1, -1)
const IN_JSON = escapesOf(inJson)
/** In a string of a Python literal in a JSON string. Python 2 keeps JSON's `\u0001` as six characters. */
const IN_LITERAL = escapesOf(char => inJson(inPython(char)))

function inPython(char: string): string {
  const named = PYTHON_ESCAPES.get(char)
  if (named !== undefined) return named
  return /\p{Cc}/u.test(char) ? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char
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
