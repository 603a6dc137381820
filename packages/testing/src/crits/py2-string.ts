// Escapes inside Python 2 string literals.

/** The text is not a literal; `pythonError` is the exception class CPython 2.7 raises. */
export class Py2LiteralError extends Error {
  readonly code = 'ERR_PY2_LITERAL'
  readonly pythonError: string
  constructor(pythonError: string, detail: string) {
    super(`${pythonError}: ${detail}`)
    this.name = 'Py2LiteralError'
    this.pythonError = pythonError
  }
}

/** Implicit conversion of a `str` to `unicode`: ASCII only. */
export function asciiText(value: Buffer | string): string {
  if (typeof value === 'string') return value
  if (value.some(byte => byte > 0x7f)) throw new Py2LiteralError('SyntaxError', "'ascii' codec can't decode byte")
  return value.toString('latin1')
}

const SIMPLE: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** The bytes of a `str` literal whose text between the quotes is `body`; its characters are UTF-8. */
export function unescapeBytes(body: string): Buffer {
  if (!body.includes('\\')) return Buffer.from(body)
  const bytes = Buffer.from(body).toString('latin1')
  return Buffer.from(
    bytes.replaceAll(/\\([0-7]{1,3}|x[\da-fA-F]{2}|.)/gs, (all, code: string) => {
      if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 0xff)
      if (/^x./.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
      if (code === 'x') throw new Py2LiteralError('ValueError', 'invalid \\x escape')
      return SIMPLE[code] ?? all
    }),
    'latin1',
  )
}

/** The text of a `unicode` literal: here, and only here, `\\u0041` is an escape. */
export function unescapeText(body: string): string {
  return body.replaceAll(
    /\\([0-7]{1,3}|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U(?:000[\da-fA-F]|0010)[\da-fA-F]{4}|.)/gs,
    (all, code: string) => {
      if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8))
      if (/^[xuU]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16))
      if (/^[xuUN]$/.test(code)) throw new Py2LiteralError('SyntaxError', `invalid \\${code} escape`)
      return SIMPLE[code] ?? all
    },
  )
}
