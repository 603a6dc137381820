// Python 2's `ast.literal_eval` on a unicode string, the way CRITs reads result_type
// (`crits/crits:crits/services/handlers.py`). Neither JSON.parse nor Python 3 accepts the same texts.
import { asciiText, Py2LiteralError, unescapeBytes, unescapeText } from './py2-string.js'

/** A `str` is a Buffer of its bytes, a `unicode` a string, an int or long a bigint, a tuple a list. */
export type Py2Value = null | boolean | bigint | number | Buffer | string | Py2Value[] | Py2Dict

/** Key and value pairs in the order of the text; of equal keys the last counts. */
export interface Py2Dict {
  readonly pairs: readonly (readonly [Py2Value, Py2Value])[]
}

/** CPython 2.7 overflows its parser stack between 98 and 99 levels; clients should stay far below. */
const DEPTH_LIMIT = 90

const BLANK_LINES = /(?:[ \t\f]*(?:#[^\n]*)?\n)*/y
const SPACE = /(?:[ \t\f]|\\\n)*/y
const SPACE_IN_BRACKETS = /(?:[ \t\f\n]|\\\n|#[^\n]*)*/y
const STRING_BEGINS = new Set<string | undefined>('"\'uUrRbB')
const SPACE_BEGINS = new Set<string | undefined>([' ', '\t', '\f', '\n', '\\', '#'])
const END = /(?:#[^\n]*)?(?:\n(?:[ \t\f]*(?:#[^\n]*)?\n)*(?:[ \t\f]*#[^\n]*)?)?$/y
const STRING_START = /(u?r?|br?)("""|'''|"|')/iy
const PLAIN = /[^\\\n'"]*/y
const FLOAT = /(?:\d+\.\d*|\.\d+)(?:e[+-]?\d+)?|\d+e[+-]?\d+/iy
const INTEGER = /(?:0x[\da-f]+|0b[01]+|0o?[0-7]*|[1-9]\d*)l?/iy
const NAME = /[A-Za-z_]\w*/y
const NAMES = new Map<string, null | boolean>([
  ['None', null],
  ['True', true],
  ['False', false],
])

/**
 * Evaluates `source` as CPython 2.7 does. Strings without `u` keep `\u003c` as six characters; `true` and `null`,
 * a leading space, a NUL and a raw line break inside quotes (also CR: line ends are unified first) are errors.
 * Stricter than CPython in what no client should send: complex numbers, `ur""`, `\N{…}`, lone surrogates,
 * more than 90 levels.
 * @throws Py2LiteralError
 */
export function parsePy2Literal(source: string): Py2Value {
  if (source.includes('\0')) throw new Py2LiteralError('TypeError', 'source code string cannot contain null bytes')
  // CPython keeps their three bytes, which the database then refuses as UTF-8.
  if (/\p{Surrogate}/u.test(source)) throw new Py2LiteralError('InvalidStringData', 'the text holds a lone surrogate')
  return new Parser(source.replaceAll(/\r\n?/g, '\n')).document()
}

class Parser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): Py2Value {
    this.#match(BLANK_LINES)
    // A form feed sets the tokenizer's column back to 0.
    if (/[ \t]$/.test(this.#match(/[ \t\f]*/y)[0])) throw new Py2LiteralError('IndentationError', 'unexpected indent')
    const value = this.#tuple(() => this.#at >= this.#text.length || this.#test(END))
    if (!this.#test(END)) throw this.#syntaxError()
    return value
  }

  #syntaxError(): Py2LiteralError {
    return new Py2LiteralError('SyntaxError', `invalid syntax at character ${this.#at}`)
  }

  /** Runs a sticky expression that may match nothing, and moves on behind what it matched. */
  #match(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) throw this.#syntaxError()
    this.#at += found[0].length
    return found
  }

  #test(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at
    return pattern.test(this.#text)
  }

  #space(): void {
    // Mostly there is none, and each expression costs more than what it would match.
    if (!SPACE_BEGINS.has(this.#text[this.#at])) return
    this.#match(this.#depth > 0 ? SPACE_IN_BRACKETS : SPACE)
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false
    this.#at += token.length
    this.#space()
    return true
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw this.#syntaxError()
  }

  #value(): Py2Value {
    this.#space()
    const value = this.#atom()
    this.#space()
    return value
  }

  #atom(): Py2Value {
    if (this.#isString()) return this.#strings()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#bracket('{', '}', () => this.#dict())
      case '[':
        return this.#bracket('[', ']', () => this.#items(']'))
      case '(':
        return this.#bracket('(', ')', () => (this.#text[this.#at] === ')' ? [] : this.#tuple(() => this.#peek(')'))))
      case '-':
        this.#take('-')
        return -this.#number()
    }
    if (this.#test(NAME)) return this.#name()
    return this.#number()
  }

  #peek(token: string): boolean {
    return this.#text.startsWith(token, this.#at)
  }

  #bracket<T>(open: string, close: string, read: () => T): T {
    if (++this.#depth > DEPTH_LIMIT) throw new Py2LiteralError('MemoryError', 's_push: parser stack overflow')
    this.#expect(open)
    const value = read()
    if (!this.#peek(close)) throw this.#syntaxError()
    this.#at += close.length
    this.#depth--
    return value
  }

  #items(close: string): Py2Value[] {
    const items: Py2Value[] = []
    while (!this.#peek(close)) {
      items.push(this.#value())
      if (!this.#take(',')) break
    }
    return items
  }

  /** One value, or a tuple when a comma follows. */
  #tuple(atEnd: () => boolean): Py2Value {
    const first = this.#value()
    if (!this.#take(',')) return first
    const items = [first]
    while (!atEnd()) {
      items.push(this.#value())
      if (!this.#take(',')) break
    }
    return items
  }

  #dict(): Py2Dict {
    const pairs: [Py2Value, Py2Value][] = []
    while (!this.#peek('}')) {
      const key = this.#value()
      if (pairs.length === 0 && (this.#peek(',') || this.#peek('}'))) {
        throw new Py2LiteralError('ValueError', 'malformed string: sets are not literals')
      }
      this.#expect(':')
      pairs.push([key, this.#value()])
      if (!this.#take(',')) break
    }
    return { pairs }
  }

  #name(): null | boolean {
    const value = NAMES.get(this.#match(NAME)[0])
    if (value === undefined)
      throw new Py2LiteralError('ValueError', 'malformed string: only None, True, False are names')
    return value
  }

  #number(): bigint | number {
    const isFloat = this.#test(FLOAT)
    const [text] = this.#match(isFloat ? FLOAT : INTEGER)
    if (text === '' || /[\w.]/.test(this.#text[this.#at] ?? '')) throw this.#syntaxError()
    if (isFloat) return Number(text)
    const digits = text.replace(/l$/i, '')
    return BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
  }

  /** Adjacent strings are joined; joining with a `unicode` decodes the other side as ASCII. */
  #strings(): Buffer | string {
    let joined = this.#string()
    for (this.#space(); this.#isString(); this.#space()) {
      const next = this.#string()
      joined =
        Buffer.isBuffer(joined) && Buffer.isBuffer(next)
          ? Buffer.concat([joined, next])
          : asciiText(joined) + asciiText(next)
    }
    return joined
  }

  #stringStart(): readonly [prefix: string, quote: string] {
    const char = this.#text[this.#at] ?? ''
    if ((char === '"' || char === "'") && this.#text[this.#at + 1] !== char) {
      this.#at += 1
      return ['', char]
    }
    const [, prefix = '', quote = ''] = this.#match(STRING_START)
    return [prefix, quote]
  }

  #isString(): boolean {
    return STRING_BEGINS.has(this.#text[this.#at]) && this.#test(STRING_START)
  }

  #skipPlain(): void {
    PLAIN.lastIndex = this.#at
    PLAIN.test(this.#text)
    this.#at = PLAIN.lastIndex
  }

  #string(): Buffer | string {
    const [prefix, quote] = this.#stringStart()
    const start = this.#at
    this.#skipPlain()
    while (!this.#peek(quote)) {
      const char = this.#text[this.#at]
      if (char === undefined || (char === '\n' && quote.length === 1)) {
        throw new Py2LiteralError('SyntaxError', 'EOL while scanning string literal')
      }
      this.#at += char === '\\' ? 2 : 1
      this.#skipPlain()
    }
    const body = this.#text.slice(start, this.#at)
    this.#at += quote.length
    const raw = /r/i.test(prefix)
    if (/u/i.test(prefix)) {
      if (raw) throw new Py2LiteralError('SyntaxError', 'ur"" strings are not supported')
      return unescapeText(body)
    }
    return raw ? Buffer.from(body) : unescapeBytes(body)
  }
}
