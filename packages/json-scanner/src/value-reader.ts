// One value of a document after the other: finds its end, keeps its bytes or hands them out while they come, and parses it.
import {
  CLOSE_LIST,
  CLOSE_OBJECT,
  COMMA,
  escapedTextOf,
  isSpace,
  OPEN_LIST,
  OPEN_OBJECT,
  QUOTE,
  textOf,
} from './bytes.js'
import { Capture, type CaptureLimits } from './capture.js'
import { JsonError } from './error.js'
import type { Node } from './schema.js'
import { Skipper } from './skipper.js'
import { StringEnd } from './string-end.js'

/** A longer key is wanted by nobody, even with each character written as \uXXXX. */
const MAX_KEY_BYTES = 256
/** Bytes of the longest number that is read; more digits than a double has say nothing. */
const MAX_NUMBER_BYTES = 1024

const STRING = 0
const NUMBER = 1 // or a word
const CONTAINER = 2

/** `load` a chunk and `begin` a value, then `run`, over as many chunks as it takes, until it has ended; then it can be parsed. */
export class ValueReader {
  readonly #skipper = new Skipper()
  readonly #stringEnd = new StringEnd()
  readonly #capture: Capture
  readonly #limits: CaptureLimits
  readonly #document: string
  /** More bytes are never parsed together. */
  readonly #maxTogether: number
  #chunk: Buffer = Buffer.alloc(0)
  #base = 0 // bytes of all chunks before this one
  #isLoaded = false // this chunk is loaded into the skipper
  #kind: 0 | 1 | 2 = CONTAINER
  #at = 0 // where the value begins in the document
  #start = 0 // where its bytes begin in this chunk
  #end = 0
  #maxBytes = 0 // that are kept; of more, none
  #bytes: Node['bytes']

  /** `document`: what it is called in errors. */
  constructor(limits: CaptureLimits, document: string) {
    this.#limits = limits
    this.#capture = new Capture(limits)
    this.#document = document
    this.#maxTogether = Math.min(limits.maxStringBytes, limits.maxValueBytes)
  }

  /** Strings that were cut. */
  get cuts(): number {
    return this.#capture.cuts
  }

  /** It was not let go: a key or a number may be too long for anybody to want it. */
  get isKept(): boolean {
    return this.#maxBytes > 0
  }

  /** The chunk that is read from now on, behind `base` bytes of the document. */
  load(chunk: Buffer, base: number): void {
    this.#chunk = chunk
    this.#base = base
    this.#isLoaded = false
    this.#start = 0
  }

  /** A value begins at `pos` with `byte`, for `node`, which may be nobody. Returns where to `run`. */
  begin(byte: number, pos: number, node: Node | undefined): number {
    this.#at = this.#base + pos
    this.#start = pos
    this.#bytes = undefined
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      this.#kind = CONTAINER
      this.#maxBytes = node?.container ? Number.POSITIVE_INFINITY : 0
      this.#skipper.begin(0)
      return pos
    }
    this.#kind = byte === QUOTE ? STRING : NUMBER
    this.#maxBytes = node?.scalar ? (byte === QUOTE ? Number.POSITIVE_INFINITY : MAX_NUMBER_BYTES) : 0
    if (byte === QUOTE && node?.bytes) {
      this.#bytes = node.bytes
      this.#maxBytes = 0
      this.#start = pos + 1
    }
    return pos + 1
  }

  /** A key begins at `pos`. Returns where to `run`. */
  beginKey(pos: number): number {
    this.begin(QUOTE, pos, undefined)
    this.#maxBytes = MAX_KEY_BYTES
    return pos + 1
  }

  /** The rest of a list begins at `pos`, which nobody wants. Returns where to `run`. */
  beginRest(pos: number): number {
    this.begin(OPEN_LIST, pos, undefined)
    this.#skipper.begin(1)
    return pos
  }

  /** Goes on at `pos`. Returns the position behind the value, or -1 if it does not end in this chunk. */
  run(pos: number): number {
    this.#end = this.#find(pos)
    if (this.#end !== -1)
      this.#bytes?.(this.#chunk.subarray(this.#start, this.#end - 1), this.#base + this.#start, true)
    return this.#end
  }

  /** Keeps, or hands out, the part of the value that is in this chunk when its end is not. */
  keep(): void {
    const piece = this.#chunk.subarray(this.#start)
    if (this.#bytes) this.#bytes(piece, this.#base + this.#start, false)
    else if (this.#capture.bytes + piece.length <= this.#maxBytes) this.#capture.add(piece)
    else if (this.#maxBytes > 0) {
      this.#capture.end()
      this.#maxBytes = 0
    }
  }

  /** Parses the elements of a list that are complete in this chunk, from `pos` on. Undefined if they must be looked at one by one. */
  elements(
    pos: number,
    parse: (text: string) => unknown[] | undefined,
  ): { values: unknown[]; end: number } | undefined {
    this.#load()
    const end = this.#skipper.elements(pos)
    if (end <= pos || end - pos > this.#maxTogether) return undefined
    const beyond = (from: number): number => this.#skipper.beyondAscii(pos + from, end) - pos
    const values = parse(escapedTextOf(this.#chunk.subarray(pos, end), beyond))
    return values && { values, end }
  }

  /**
   * Parses the value that has ended.
   * @throws {JsonError} what `parse` throws; `too-large`
   */
  parse<T>(parse: (text: string) => T): T {
    const text = this.#text(this.#chunk.subarray(this.#start, this.#end))
    if (text === undefined) {
      const problem = `more than ${this.#limits.maxValueBytes} bytes in one value`
      throw new JsonError('too-large', this.#at, problem, this.#document)
    }
    try {
      return parse(text)
    } catch (error: unknown) {
      if (!(error instanceof JsonError)) throw error
      const offset = this.#at + Buffer.byteLength(text.slice(0, error.offset))
      throw new JsonError(error.code, offset, error.problem, this.#document)
    }
  }

  #find(from: number): number {
    const chunk = this.#chunk
    if (this.#kind === STRING) return this.#stringEnd.run(chunk, from)
    if (this.#kind === CONTAINER) {
      this.#load()
      return this.#skipper.run(from)
    }
    for (let pos = from; pos < chunk.length; pos++) {
      const byte = chunk[pos]
      if (byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_LIST || isSpace(byte)) return pos
    }
    return -1
  }

  #load(): void {
    if (!this.#isLoaded) this.#skipper.load(this.#chunk)
    this.#isLoaded = true
  }

  #text(last: Buffer): string | undefined {
    if (!this.#capture.begun && last.length <= this.#maxTogether) return textOf(last)
    this.#capture.add(last)
    return this.#capture.end()?.toString('utf8')
  }
}
