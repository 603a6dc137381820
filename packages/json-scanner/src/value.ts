// Parses one JSON value: what JSON.parse takes, and what Python writes beyond it.
import { JsonError } from './error.js'

/** A value that is neither an object nor a list. Integers beyond 2^53 are strings, so that no digit is lost. */
export type Scalar = string | number | boolean | null

/** Containers in each other that a value may have. Real ones have three or four. */
export const MAX_DEPTH = 64

/**
 * Parses `text`. `NaN`, `Infinity` and `-Infinity`, which Python's json.dump writes, become null; raw control characters in strings are
 * kept; integers beyond 2^53 become strings; of a repeated key the last one counts.
 * @throws {JsonError} `syntax` or `too-deep`; its offset is that of a character, not of a byte
 */
export function parseJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Says what is wrong, and where, unless it is something that Python writes.
    return new TolerantParser(text).parse()
  }
  return isExact(value, MAX_DEPTH) ? value : new TolerantParser(text).parse()
}

/**
 * Parses `text` as `parseJson` does.
 * @throws {JsonError} also if it is an object or a list
 */
export function parseScalar(text: string): Scalar {
  const value = parseJson(text)
  if (isScalar(value)) return value
  throw new JsonError('syntax', 0, 'a value expected')
}

/** Whether a parsed value is neither an object nor a list. */
export const isScalar = (value: unknown): value is Scalar =>
  value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'

/**
 * Parses the elements of a list all at once, or returns undefined where one of them needs `parseJson`: it is broken, too deep, or what only
 * Python writes. One call for many small objects is about twice as fast as one for each.
 */
export function parseElements(text: string): unknown[] | undefined {
  try {
    const list: unknown = JSON.parse(`[${text}]`)
    return Array.isArray(list) && isExact(list, MAX_DEPTH + 1) ? list : undefined
  } catch {
    return undefined
  }
}

/** False if a number in `value` is so large that digits may have been lost. */
function isExact(value: unknown, depthLeft: number): boolean {
  if (typeof value === 'number') return Math.abs(value) <= Number.MAX_SAFE_INTEGER
  if (!isContainer(value)) return true
  if (depthLeft === 0) throw tooDeep(0)
  if (Array.isArray(value)) return value.every((item: unknown) => isExact(item, depthLeft - 1))
  // Values that JSON.parse makes inherit nothing that for-in would see; it is several times as fast as Object.values, and value[key] as Reflect.get.
  for (const key in value) {
    const item = value[key]
    if ((typeof item === 'object' || typeof item === 'number') && !isExact(item, depthLeft - 1)) return false
  }
  return true
}

const isContainer = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

const tooDeep = (at: number): JsonError =>
  new JsonError('too-deep', at, `more than ${MAX_DEPTH} containers in each other`)

const WORDS: ReadonlyMap<string, Scalar> = new Map<string, Scalar>([
  ['true', true],
  ['false', false],
  ['null', null],
  ['NaN', null],
  ['Infinity', null],
  ['-Infinity', null],
])
const WORD = /-?[A-Za-z]+/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const SPACE = /[ \n\r\t]*/y
const PLAIN = /[^"\\]*/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

class TolerantParser {
  readonly #text: string
  #pos = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): unknown {
    const value = this.#value(MAX_DEPTH)
    this.#take(SPACE)
    if (this.#pos < this.#text.length) throw this.#error('one value expected')
    return value
  }

  #error(message: string): JsonError {
    return new JsonError('syntax', this.#pos, message)
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#pos
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#pos += found.length
    return found
  }

  #takeChar(char: string): boolean {
    this.#take(SPACE)
    if (this.#text[this.#pos] !== char) return false
    this.#pos++
    return true
  }

  #value(depth: number): unknown {
    if (this.#takeChar('{')) return this.#object(depth)
    if (this.#takeChar('[')) return this.#list(depth)
    if (this.#text[this.#pos] === '"') return this.#string()
    const start = this.#pos
    const number = this.#take(NUMBER)
    if (number !== undefined) {
      const value = Number(number)
      return /^-?\d+$/.test(number) && !Number.isSafeInteger(value) ? number : value
    }
    const word = WORDS.get(this.#take(WORD) ?? '')
    if (word !== undefined) return word
    this.#pos = start
    throw this.#error('a value expected')
  }

  #object(depth: number): Record<string, unknown> {
    if (depth === 0) throw tooDeep(this.#pos)
    const entries: [string, unknown][] = []
    if (this.#takeChar('}')) return {}
    do {
      this.#take(SPACE)
      if (this.#text[this.#pos] !== '"') throw this.#error('a key expected')
      const key = this.#string()
      if (!this.#takeChar(':')) throw this.#error("':' expected")
      entries.push([key, this.#value(depth - 1)])
    } while (this.#takeChar(','))
    if (!this.#takeChar('}')) throw this.#error("',' or '}' expected")
    return Object.fromEntries(entries)
  }

  #list(depth: number): unknown[] {
    if (depth === 0) throw tooDeep(this.#pos)
    const items: unknown[] = []
    if (this.#takeChar(']')) return items
    do items.push(this.#value(depth - 1))
    while (this.#takeChar(','))
    if (!this.#takeChar(']')) throw this.#error("',' or ']' expected")
    return items
  }

  #string(): string {
    this.#pos++
    let value = ''
    for (;;) {
      value += this.#take(PLAIN) ?? ''
      if (this.#pos === this.#text.length) throw this.#error("'\"' expected")
      if (this.#text[this.#pos] === '"') break
      const sequence = this.#take(ESCAPE)
      if (sequence === undefined) throw this.#error('an escape sequence expected')
      value += JSON.parse(`"${sequence}"`)
    }
    this.#pos++
    return value
  }
}
