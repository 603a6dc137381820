/** Streams a sample's bytes out of its JSON document, which is never held as a whole. */
import { JsonError, readJson } from '@cuckoo-distributed/json-scanner'
import { SampleError } from './errors.js'

interface Piece {
  readonly base64: Buffer
  readonly isLast: boolean
}

/**
 * The decoded content of the top-level field `filedata`, a base64 string (`crits/crits:crits/samples/sample.py`).
 * Reading stops behind the field.
 *
 * @param maxBytes limit of the decoded content
 * @throws SampleError when the content is empty, too large, missing or not base64; SAMPLE_ELSEWHERE for the id of a file
 */
export async function* filedata(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  const decoder = new Base64Decoder(maxBytes)
  // Held back until it is surely no id of a file.
  let held: Buffer = Buffer.alloc(0)
  for await (const { base64, isLast } of pieces(chunks)) {
    const bytes = decoder.decode(base64)
    if (isLast) decoder.end()
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
    if (!isLast && held.length <= ID_BYTES) continue
    if (held.length > 0) yield held
    held = Buffer.alloc(0)
    if (isLast) return
  }
  throw new SampleError('SAMPLE_UNREADABLE', 'the JSON of the sample has no text in "filedata"')
}

async function* pieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  try {
    yield* readJson<Piece>(chunks, emit => ({
      fields: new Map([['filedata', { bytes: (base64, _at, isLast) => emit({ base64, isLast }) }]]),
    }))
  } catch (error: unknown) {
    if (!(error instanceof JsonError)) throw error
    throw new SampleError('SAMPLE_UNREADABLE', `the JSON of the sample cannot be read: ${error.message}`, {
      cause: error,
    })
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
    // So few may be the id of a file.
    if (this.#bytes > ID_BYTES) this.#requireWithinLimit()
    return bytes
  }

  end(): void {
    if (this.#pending !== '') throw new SampleError('SAMPLE_UNREADABLE', '"filedata" is not base64: it ends early')
    if (this.#bytes === 0) throw new SampleError('SAMPLE_EMPTY', 'CRITs has no content for the sample')
    // Seen with CRITs of 2015, where the field can hold the file's id in GridFS: 24 hex digits, which are base64, too.
    if (OBJECT_ID.test(this.#first)) {
      throw new SampleError('SAMPLE_ELSEWHERE', '"filedata" holds the id of a file, not the content')
    }
    this.#requireWithinLimit()
  }

  #requireWithinLimit(): void {
    if (this.#bytes <= this.#maxBytes) return
    throw new SampleError('SAMPLE_TOO_LARGE', `the sample is larger than the limit of ${this.#maxBytes} bytes`)
  }
}

const OBJECT_ID_CHARS = 24
/** So many bytes those characters mean as base64. */
const ID_BYTES = 18
const OBJECT_ID = /^[0-9a-f]{24}$/
