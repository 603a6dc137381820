/** Reads a long JSON list element by element. */
import { parseJson } from './parse-json.js'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/**
 * Parses the objects of the list under `key` of a JSON object, one at a time, so that memory holds one element and a
 * long list does not block the process. The object may have other members, but no second list of objects.
 *
 * All is checked at the end only: elements that were yielded count once the iteration has finished.
 *
 * @throws SyntaxError when the bytes are not such a document, or end early.
 * @throws RangeError when an element has more than `elementLimit` bytes.
 */
export async function* jsonElements(
  chunks: AsyncIterable<Buffer>,
  key: string,
  elementLimit: number,
): AsyncGenerator<unknown> {
  const splitter = new Splitter(elementLimit)
  let count = 0
  for await (const chunk of chunks) {
    for (const element of splitter.push(chunk)) {
      count += 1
      yield parseJson(element)
    }
  }
  const frame = parseJson(splitter.frame)
  const list = isRecord(frame) ? frame[key] : undefined
  if (!Array.isArray(list) || list.length !== count || !list.every(isRecord)) {
    throw new SyntaxError(`the JSON document has no list of objects "${key}"`)
  }
}

/** Cuts the objects out of the lists of a top-level object; what is left, with `{}` for each object, is the frame. */
class Splitter {
  frame = ''
  readonly #limit: number
  #element: Buffer[] | undefined
  #elementLength = 0
  #depth = 0
  #inList = false
  #inString = false
  #escaped = false

  constructor(limit: number) {
    this.#limit = limit
  }

  *push(chunk: Buffer): Generator<string> {
    let from = 0
    for (let i = 0; i < chunk.length; i += 1) {
      const byte = chunk[i]
      if (this.#inString) this.#stepInString(byte)
      else if (byte === QUOTE) this.#inString = true
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (this.#depth === 1) this.#inList = byte === OPEN_BRACKET
        if (this.#depth === 2 && this.#inList && byte === OPEN_BRACE) {
          this.#keep(chunk.subarray(from, i))
          this.#element = []
          from = i
        }
        this.#depth += 1
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth -= 1
        if (this.#depth === 2 && this.#element !== undefined) {
          this.#keep(chunk.subarray(from, i + 1))
          yield this.#takeElement()
          from = i + 1
        }
      }
    }
    this.#keep(chunk.subarray(from))
  }

  #stepInString(byte: number | undefined): void {
    if (this.#escaped) this.#escaped = false
    else if (byte === BACKSLASH) this.#escaped = true
    else if (byte === QUOTE) this.#inString = false
  }

  #keep(bytes: Buffer): void {
    if (this.#element === undefined) {
      this.frame += bytes.toString('latin1')
      return
    }
    this.#elementLength += bytes.length
    if (this.#elementLength > this.#limit) throw new RangeError(`a list element has more than ${this.#limit} bytes`)
    this.#element.push(bytes)
  }

  #takeElement(): string {
    const text = Buffer.concat(this.#element ?? []).toString('utf8')
    this.#element = undefined
    this.#elementLength = 0
    this.frame += '{}'
    return text
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
