/** Reads the literals that `pyLiteral` writes, as Python 2 would; anything else is an error. */

export type Literal = string | number | boolean | Literal[] | Map<string, Literal>

export function readLiteral(text: string): Literal {
  let at = 0

  function fail(): never {
    throw new SyntaxError(`unexpected ${JSON.stringify(text.slice(at, at + 10))} at ${at}`)
  }

  function take(expected: string): void {
    if (!text.startsWith(expected, at)) fail()
    at += expected.length
  }

  function readString(): string {
    take('"')
    let value = ''
    while (text[at] !== '"') {
      const match = /^(?:\\(["\\nrt]|x[0-7][0-9a-f])|[^\\\p{Cc}]|[\u0080-\u009f])/u.exec(text.slice(at, at + 4))
      if (!match) fail()
      at += match[0].length
      value += match[1] === undefined ? match[0] : unescaped(match[1])
    }
    take('"')
    return value
  }

  function readSequence(close: string, readItem: () => void): void {
    at += 1
    while (!text.startsWith(close, at)) {
      readItem()
      if (!text.startsWith(close, at)) take(', ')
    }
    take(close)
  }

  function readValue(): Literal {
    const rest = text.slice(at, at + 40)
    if (rest.startsWith('"')) return readString()
    if (rest.startsWith('[')) {
      const list: Literal[] = []
      readSequence(']', () => list.push(readValue()))
      return list
    }
    if (rest.startsWith('{')) {
      const map = new Map<string, Literal>()
      readSequence('}', () => {
        const key = readString()
        take(': ')
        if (map.has(key)) throw new SyntaxError(`key ${key} twice`)
        map.set(key, readValue())
      })
      return map
    }
    const word = /^(?:True|False|-?\d+(?:\.\d+)?(?:e[+-]\d+)?)/.exec(rest)?.[0] ?? fail()
    at += word.length
    return word === 'True' ? true : word === 'False' ? false : Number(word)
  }

  const value = readValue()
  if (at !== text.length) fail()
  return value
}

function unescaped(escaped: string): string {
  const named: Record<string, string> = { n: '\n', r: '\r', t: '\t' }
  if (escaped.startsWith('x')) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
  return named[escaped] ?? escaped
}
