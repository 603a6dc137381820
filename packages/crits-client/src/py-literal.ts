/** Encodes values as the Python 2 literals that CRITs reads a result's extra fields from. */

/** What a result's field may hold. `null` and `undefined` are written as `""`: a blank cell, never a missing key. */
export type PyValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly PyValue[]
  | { readonly [key: string]: PyValue }

export interface LiteralLimits {
  /** Longest string kept whole, in UTF-16 code units; the rest is replaced by `… (cut, N characters)`. */
  readonly valueChars: number
  /** Most elements of one list; a last element then says how many there were. */
  readonly listItems: number
}

/** Nothing is cut. */
export const NO_LIMITS: LiteralLimits = {
  valueChars: Number.POSITIVE_INFINITY,
  listItems: Number.POSITIVE_INFINITY,
}

/** Changes whenever the same value would be encoded differently; part of the digest that makes stored progress valid. */
export const ENCODER_VERSION = 1

/**
 * Deepest nesting written; what lies below becomes a marker text.
 * Python 2 fails with a MemoryError between 95 and 99 levels.
 */
const MAX_DEPTH = 20
const TOO_DEEP = '… (nested too deep)'

/** Bookkeeping of MongoDB for one field or list element, as counted against the 16 MB document limit. */
const FIELD_BYTES = 16
const NUMBER_BYTES = 8

export interface EncodedLiteral {
  readonly literal: string
  /** Estimated bytes in CRITs' database: UTF-8 of keys and values, and 16 per field or list element. */
  readonly storedBytes: number
  /** Strings and lists that were shortened. */
  readonly cuts: number
}

/**
 * `value` as a literal that Python 2 and Python 3 read alike (`crits/crits:crits/services/handlers.py`, `ast.literal_eval`).
 *
 * Integers beyond ±(2⁵³−1), NaN and the infinities become strings: BSON refuses the first, the parser the others.
 * Lone surrogates become U+FFFD. Keys that CRITs or MongoDB treat specially are renamed (`items` → `items_`).
 */
export function pyLiteral(value: PyValue, limits: LiteralLimits = NO_LIMITS): string {
  return encodeLiteral(value, limits).literal
}

/** Like `pyLiteral`, with the size the value will have in CRITs' database and the number of cuts. */
export function encodeLiteral(value: PyValue, limits: LiteralLimits): EncodedLiteral {
  const tally = { storedBytes: 0, cuts: 0 }
  const literal = encode(value, { limits, tally }, 0)
  return { literal, ...tally }
}

interface Encoding {
  readonly limits: LiteralLimits
  readonly tally: { storedBytes: number; cuts: number }
}

function encode(value: PyValue, encoding: Encoding, depth: number): string {
  if (value === null || value === undefined) return '""'
  switch (typeof value) {
    case 'string':
      return encodeText(value, encoding)
    case 'boolean':
      encoding.tally.storedBytes += 1
      return value ? 'True' : 'False'
    case 'number':
    case 'bigint':
      return encodeNumber(value, encoding)
    default:
      if (depth >= MAX_DEPTH) return encodeText(TOO_DEEP, encoding)
      return isList(value) ? encodeList(value, encoding, depth + 1) : encodeObject(value, encoding, depth + 1)
  }
}

function isList(value: readonly PyValue[] | { readonly [key: string]: PyValue }): value is readonly PyValue[] {
  return Array.isArray(value)
}

function encodeText(text: string, { limits, tally }: Encoding): string {
  const cut = cutText(text, limits.valueChars)
  if (cut !== text) tally.cuts += 1
  tally.storedBytes += Buffer.byteLength(cut)
  return quote(cut)
}

function encodeNumber(value: number | bigint, encoding: Encoding): string {
  const storable = typeof value === 'bigint' ? isSafe(value) : Number.isSafeInteger(value) || isFraction(value)
  if (!storable) return encodeText(String(value), encoding)
  encoding.tally.storedBytes += NUMBER_BYTES
  return String(value)
}

function isSafe(value: bigint): boolean {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
}

function isFraction(value: number): boolean {
  return Number.isFinite(value) && !Number.isInteger(value)
}

function encodeList(list: readonly PyValue[], encoding: Encoding, depth: number): string {
  const { limits, tally } = encoding
  const kept = list.length <= limits.listItems ? list : [...list.slice(0, limits.listItems), cutElement(list)]
  if (kept !== list) tally.cuts += 1
  tally.storedBytes += FIELD_BYTES * kept.length
  return `[${kept.map(element => encode(element, encoding, depth)).join(', ')}]`
}

/** CRITs prints a list of objects as a table with the keys of its first row, so the marker takes their shape. */
function cutElement(list: readonly PyValue[]): PyValue {
  const marker = `… (cut, ${list.length} elements)`
  const first = list[0]
  if (typeof first !== 'object' || first === null || Array.isArray(first)) return marker
  return Object.fromEntries(Object.keys(first).map((key, index) => [key, index === 0 ? marker : '']))
}

function encodeObject(object: { readonly [key: string]: PyValue }, encoding: Encoding, depth: number): string {
  const keys = Object.keys(object)
  // Almost no object has a key that must be renamed, and only then two can become the same.
  const taken = keys.every(key => storableKey(key) === key) ? undefined : new Set<string>()
  const fields = Object.entries(object).map(([key, value]) => {
    let name = taken === undefined ? key : storableKey(key)
    while (taken?.has(name)) name += '_'
    taken?.add(name)
    encoding.tally.storedBytes += FIELD_BYTES + Buffer.byteLength(name)
    return `${quote(name)}: ${encode(value, encoding, depth)}`
  })
  return `{${fields.join(', ')}}`
}

/**
 * Keys with a meaning of their own: `result` and `subtype` would replace the row's (`crits/crits:crits/services/handlers.py`),
 * `_cls` is resolved as a class by mongoengine, `items` shadows the dict method that CRITs' result template calls.
 */
const RESERVED_KEYS: ReadonlySet<string> = new Set(['result', 'subtype', '_cls', 'items'])

const UNSTORABLE = /[.$\0]/

/** MongoDB refuses NUL in a key and cannot query `.` or a leading `$`. */
function storableKey(key: string): string {
  if (RESERVED_KEYS.has(key)) return `${key}_`
  if (!UNSTORABLE.test(key)) return key
  return key.replaceAll(/[.\0]/g, '_').replace(/^\$/, '_')
}

/** Everything but these is written raw: Python 2 keeps JSON's `\u0001` as six characters. */
const SPECIAL = /["\\\p{Cc}]/gu
const ANY_SPECIAL = new RegExp(SPECIAL, 'u')

function quote(text: string): string {
  const whole = text.toWellFormed()
  return `"${ANY_SPECIAL.test(whole) ? whole.replace(SPECIAL, escapeChar) : whole}"`
}

function escapeChar(char: string): string {
  switch (char) {
    case '"':
    case '\\':
      return `\\${char}`
    case '\n':
      return '\\n'
    case '\r':
      return '\\r'
    case '\t':
      return '\\t'
  }
  const code = char.charCodeAt(0)
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : char
}

/** `text`, or its first `limit` UTF-16 code units and a marker with the full length; never half a surrogate pair. */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text
  const last = text.charCodeAt(limit - 1)
  const end = last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit
  return `${text.slice(0, end)}… (cut, ${text.length} characters)`
}
