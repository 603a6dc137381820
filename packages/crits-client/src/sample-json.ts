/** Streams a sample's bytes out of its JSON document, which is never held as a whole. */

import { SampleError } from './errors.js'

/**
 * The decoded content of the top-level field `filedata`, a base64 string (`crits/crits:crits/samples/sample.py`).
 * Reading stops behind the field.
 *
 * @param maxBytes limit of the decoded content
 * @throws SampleError when the content is empty, too large, missing or not base64
 */
export async function* filedata(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  const finder = new FieldFinder('filedata')
  const decoder = new Base64Decoder(maxBytes)
  let inField = false
  for await (const chunk of chunks) {
    let rest = chunk
    if (!inField) {
      const start = finder.find(chunk)
      if (start === undefined) continue
      inField = true
      rest = chunk.subarray(start)
    }
    const quote = rest.indexOf(QUOTE)
    const bytes = decoder.decode(quote < 0 ? rest : rest.subarray(0, quote))
    if (bytes.length > 0) yield bytes
    if (quote >= 0) return decoder.end()
  }
  throw new SampleError(
    'SAMPLE_UNREADABLE',
    inField ? 'the JSON of the sample ends inside "filedata"' : 'the JSON of the sample has no text in "filedata"',
  )
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])

/** Finds the string value of one top-level key; keeps no more of the document than a key of the wanted length. */
class FieldFinder {
  readonly #key: string
  #depth = 0
  #inString = false
  #escaped = false
  #text = ''
  #state: 'key' | 'colon' | 'value' | 'skip' = 'key'
  #wanted = false

  constructor(key: string) {
    this.#key = key
  }

  /** @returns where in `chunk` the value begins, behind its opening quote, or undefined if not in this chunk */
  find(chunk: Buffer): number | undefined {
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index] ?? 0
      if (this.#inString) this.#inside(byte)
      else if (this.#outside(byte)) return index + 1
    }
    return undefined
  }

  #inside(byte: number): void {
    if (byte === QUOTE && !this.#escaped) {
      this.#endString()
      return
    }
    this.#escaped = byte === BACKSLASH && !this.#escaped
    if (this.#depth === 1 && this.#state === 'key' && this.#text.length <= this.#key.length) {
      this.#text += String.fromCharCode(byte)
    }
  }

  #endString(): void {
    this.#inString = false
    if (this.#depth !== 1 || this.#state !== 'key') return
    this.#wanted = this.#text === this.#key
    this.#state = 'colon'
  }

  /** @returns whether the wanted value begins behind this byte */
  #outside(byte: number): boolean {
    if (SPACES.has(byte)) return false
    if (byte === QUOTE) {
      if (this.#state === 'value' && this.#wanted) return true
      this.#inString = true
      this.#text = ''
    }
    const char = String.fromCharCode(byte)
    if (this.#depth === 1) {
      if (char === ':') this.#state = 'value'
      else if (char === ',') this.#state = 'key'
      else if (this.#state === 'value') this.#state = 'skip'
    }
    if (char === '{' || char === '[') this.#depth += 1
    else if (char === '}' || char === ']') this.#depth -= 1
    return false
  }
}

/** Decodes base64 in pieces of any length and insists on every character. */
class Base64Decoder {
  readonly #maxBytes: number
  #pending = ''
  #bytes = 0
  #first = ''

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  decode(chunk: Buffer): Buffer {
    const text = this.#pending + chunk.toString('latin1')
    if (this.#bytes === 0) this.#first = text.slice(0, OBJECT_ID_CHARS + 1)
    const whole = text.length - (text.length % 4)
    this.#pending = text.slice(whole)
    const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
    const bytes = Buffer.from(text.slice(0, whole), 'base64')
    const expected = (whole / 4) * 3 - (this.#pending === '' ? padding : 0)
    if (bytes.length !== expected) throw new SampleError('SAMPLE_UNREADABLE', '"filedata" is not base64')
    this.#bytes += bytes.length
    if (this.#bytes > this.#maxBytes) {
      throw new SampleError('SAMPLE_TOO_LARGE', `the sample is larger than the limit of ${this.#maxBytes} bytes`)
    }
    return bytes
  }

  end(): void {
    if (this.#pending !== '') throw new SampleError('SAMPLE_UNREADABLE', '"filedata" is not base64: it ends early')
    if (this.#bytes === 0) throw new SampleError('SAMPLE_EMPTY', 'CRITs has no content for the sample')
    // Seen with CRITs of 2015, where the field can hold the file's id in GridFS: 24 hex digits, which are base64, too.
    if (OBJECT_ID.test(this.#first)) {
      throw new SampleError(
        'SAMPLE_UNREADABLE',
        'this CRITs answers with a file id, not with the content, in "filedata"',
      )
    }
  }
}

const OBJECT_ID_CHARS = 24
const OBJECT_ID = /^[0-9a-f]{24}$/
