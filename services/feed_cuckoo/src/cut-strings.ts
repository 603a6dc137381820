// Takes long string values out of a JSON document, so that the rest can be parsed without them.

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const OPENING: ReadonlySet<number | undefined> = new Set([0x7b, 0x5b])
const CLOSING: ReadonlySet<number | undefined> = new Set([0x7d, 0x5d])
const SPACES: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d])
/** A name with every character written as `\uXXXX` is six times as long. */
const ESCAPE_LENGTH = 6

export interface CutDocument {
  /** The document with each cut value replaced by the text of its index in `values`; valid JSON only if the document was. */
  readonly rest: Buffer
  /** Parts of the document's own memory: the bytes between the quotes, escapes not decoded. */
  readonly values: readonly Buffer[]
}

/**
 * Cuts the string values at `outer.inner` of a JSON object. There is one value, unless a key is repeated: then the one
 * that counts is the one whose index `JSON.parse` finds in the rest.
 */
export function cutStrings(document: Buffer, outer: string, inner: string): CutDocument {
  const pieces: Buffer[] = []
  const values: Buffer[] = []
  const keys: (string | undefined)[] = []
  let depth = 0
  let copied = 0
  for (let at = 0; at < document.length; at += 1) {
    const byte = document[at]
    if (OPENING.has(byte)) {
      depth += 1
      if (depth <= 2) keys[depth] = undefined
    } else if (CLOSING.has(byte)) {
      depth -= 1
    } else if (byte === QUOTE) {
      const end = endOfString(document, at + 1)
      if (end === undefined) break
      if (depth <= 2 && isKey(document, end + 1)) {
        keys[depth] = keyText(document.subarray(at, end + 1), Math.max(outer.length, inner.length))
      } else if (depth === 2 && keys[1] === outer && keys[2] === inner) {
        pieces.push(document.subarray(copied, at), Buffer.from(`"${values.length}"`))
        values.push(document.subarray(at + 1, end))
        copied = end + 1
      }
      at = end
    }
  }
  pieces.push(document.subarray(copied))
  return { rest: Buffer.concat(pieces), values }
}

/** Where the closing quote is; undefined when there is none. Bytes of other characters in UTF-8 are never a quote. */
function endOfString(document: Buffer, start: number): number | undefined {
  for (let from = start; ; ) {
    const quote = document.indexOf(QUOTE, from)
    if (quote < 0) return undefined
    let backslashes = 0
    while (quote - backslashes > start && document[quote - backslashes - 1] === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return quote
    from = quote + 1
  }
}

function isKey(document: Buffer, from: number): boolean {
  let at = from
  while (SPACES.has(document[at])) at += 1
  return document[at] === COLON
}

function keyText(quoted: Buffer, longest: number): string | undefined {
  if (quoted.length > longest * ESCAPE_LENGTH + 2) return undefined
  const text = quoted.toString('utf8')
  if (!text.includes('\\')) return text.slice(1, -1)
  try {
    return String(JSON.parse(text))
  } catch {
    return undefined // a wrong escape: parsing the rest tells
  }
}
