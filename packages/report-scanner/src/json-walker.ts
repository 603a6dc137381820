// Push reader for one JSON object: walks the paths of a schema, hands over the values it wants and skips all others.
import { Capture, type CaptureLimits } from './capture.js'
import { CLOSE_LIST, CLOSE_OBJECT, COLON, COMMA, isSpace, OPEN_LIST, OPEN_OBJECT, QUOTE } from './json-bytes.js'
import { JsonSyntaxError, parseScalar } from './json-value.js'
import type { ArrayNode, Node, ObjectNode } from './node.js'
import { ReportError, type ReportErrorCode } from './report-error.js'
import { MAX_LOAD, type Skipper } from './skipper.js'
import { StringEnd } from './string-end.js'

type Frame =
  | { readonly isObject: true; readonly node: ObjectNode; key: Node | undefined }
  | { readonly isObject: false; readonly node: ArrayNode }

const KEY = 0
const AFTER_KEY = 1
const VALUE = 2
const NEXT = 3
const STRING = 4
const SCALAR = 5
const CONTAINER = 6
const END = 7
type State = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7

/** Bytes of the longest key that can be wanted, each character written as \uXXXX. */
const MAX_KEY_BYTES = 256
/** Bytes of the longest number that is read; more digits than a double has say nothing. */
const MAX_NUMBER_BYTES = 1024

/** Walks one document. The root must be an object that `root` describes; the first byte pushed must be its `{`. */
export class JsonWalker {
  readonly #skipper: Skipper
  readonly #stringEnd = new StringEnd()
  readonly #capture: Capture
  readonly #stack: Frame[] = []
  readonly #root: ObjectNode
  readonly #maxStringBytes: number
  #state: State = VALUE
  #base = 0 // bytes of all chunks before this one
  #loaded = false // this chunk is loaded into the skipper
  #fresh = false // a container was just opened
  #start = 0 // where the value that is being read begins in this chunk
  #valueAt = 0 // where it begins in the document
  #node: Node | undefined // who takes it; undefined: nobody
  #wanted = false
  #isKey = false
  #isRest = false // what is being skipped is the rest of a list

  /** `base`: bytes of the document before its `{`. */
  constructor(root: ObjectNode, limits: CaptureLimits, skipper: Skipper, base: number) {
    this.#root = root
    this.#capture = new Capture(limits)
    this.#maxStringBytes = limits.maxStringBytes
    this.#skipper = skipper
    this.#base = base
  }

  /** The document is complete. */
  get done(): boolean {
    return this.#state === END
  }

  /** Wanted strings that were cut. */
  get cuts(): number {
    return this.#capture.cuts
  }

  /** Reads the next bytes. Returns how many of them belong to the document: fewer than all only at its end. */
  push(bytes: Buffer): number {
    let pos = 0
    while (pos < bytes.length && this.#state !== END) pos += this.#chunk(bytes.subarray(pos, pos + MAX_LOAD))
    return pos
  }

  #chunk(chunk: Buffer): number {
    let pos = 0
    this.#loaded = false
    while (pos < chunk.length && this.#state !== END) {
      if (this.#state === CONTAINER) pos = this.#container(chunk, pos)
      else if (this.#state === STRING) pos = this.#string(chunk, pos)
      else if (this.#state === SCALAR) pos = this.#scalar(chunk, pos)
      else if (isSpace(chunk[pos])) pos++
      else pos = this.#structural(chunk[pos] ?? 0, pos)
    }
    if (this.#state === STRING || this.#state === SCALAR || this.#state === CONTAINER) {
      this.#keep(chunk.subarray(this.#start))
      this.#start = 0
    }
    this.#base += pos
    return pos
  }

  #fail(code: ReportErrorCode, message: string, pos: number, cause?: unknown): never {
    throw new ReportError(code, this.#base + pos, message, { cause })
  }

  #structural(byte: number, pos: number): number {
    if (this.#state === VALUE) return this.#beginValue(byte, pos)
    const frame = this.#stack.at(-1)
    if (this.#state === KEY) {
      if (byte === CLOSE_OBJECT && this.#fresh) return this.#close(pos)
      if (byte !== QUOTE) this.#fail('syntax', 'an object key expected', pos)
      this.#isKey = true
      return this.#begin(STRING, pos, true)
    }
    if (this.#state === AFTER_KEY) {
      if (byte !== COLON) this.#fail('syntax', "':' expected", pos)
      this.#state = VALUE
      return pos + 1
    }
    if (byte === (frame?.isObject ? CLOSE_OBJECT : CLOSE_LIST)) return this.#close(pos)
    if (byte !== COMMA) this.#fail('syntax', "',' or the end of the container expected", pos)
    this.#fresh = false
    if (frame?.isObject) this.#state = KEY
    else this.#nextItem(frame, pos + 1)
    return pos + 1
  }

  #beginValue(byte: number, pos: number): number {
    const frame = this.#stack.at(-1)
    if (byte === CLOSE_LIST && this.#fresh && frame?.isObject === false) return this.#close(pos)
    this.#fresh = false
    const node = frame === undefined ? { object: this.#root } : frame.isObject ? frame.key : frame.node.item
    this.#node = node
    node?.begin?.()
    if (byte === OPEN_OBJECT && node?.object)
      return this.#open({ isObject: true, node: node.object, key: undefined }, pos)
    if (byte === OPEN_LIST && node?.array) return this.#open({ isObject: false, node: node.array }, pos)
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      this.#skipper.begin(0)
      this.#begin(CONTAINER, pos, node?.container !== undefined)
      return pos
    }
    if (byte === QUOTE) return this.#begin(STRING, pos, node?.scalar !== undefined)
    if (byte === COMMA || byte === CLOSE_LIST || byte === CLOSE_OBJECT) this.#fail('syntax', 'a value expected', pos)
    return this.#begin(SCALAR, pos, node?.scalar !== undefined)
  }

  #begin(state: State, pos: number, wanted: boolean): number {
    this.#state = state
    this.#start = pos
    this.#valueAt = this.#base + pos
    this.#wanted = wanted
    this.#stringEnd.begin()
    return pos + 1
  }

  #open(frame: Frame, pos: number): number {
    this.#stack.push(frame)
    this.#fresh = true
    if (frame.isObject) {
      frame.node.open?.()
      this.#state = KEY
    } else this.#nextItem(frame, pos + 1)
    return pos + 1
  }

  #close(pos: number): number {
    const frame = this.#stack.pop()
    this.#fresh = false
    this.#state = this.#stack.length === 0 ? END : NEXT
    if (frame?.isObject) frame.node.close?.()
    return pos + 1
  }

  #nextItem(frame: (Frame & { isObject: false }) | undefined, pos: number): void {
    this.#state = VALUE
    if (frame?.node.wantsMore?.() !== false) return
    this.#isRest = true
    this.#skipper.begin(1)
    this.#begin(CONTAINER, pos, false)
  }

  #container(chunk: Buffer, pos: number): number {
    if (!this.#loaded) this.#skipper.load(chunk)
    this.#loaded = true
    const end = this.#skipper.run(pos)
    if (end === -1) return chunk.length
    this.#finish(chunk, end)
    return end
  }

  #string(chunk: Buffer, pos: number): number {
    const end = this.#stringEnd.run(chunk, pos)
    if (end === -1) return chunk.length
    this.#finish(chunk, end)
    return end
  }

  #scalar(chunk: Buffer, from: number): number {
    let pos = from
    for (; pos < chunk.length; pos++) {
      const byte = chunk[pos]
      if (byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_LIST || isSpace(byte)) {
        this.#finish(chunk, pos)
        return pos
      }
    }
    return pos
  }

  /** Keeps a part of a wanted value; one that is too long to be wanted is let go. */
  #keep(piece: Buffer): void {
    if (!this.#wanted) return
    const most = this.#isKey ? MAX_KEY_BYTES : this.#state === SCALAR ? MAX_NUMBER_BYTES : Number.POSITIVE_INFINITY
    if (this.#capture.bytes + piece.length <= most) {
      this.#capture.add(piece)
      return
    }
    this.#capture.end()
    this.#wanted = false
  }

  /** The text of the value that ends at `end`, or undefined if nobody wants it or it is too large. */
  #text(chunk: Buffer, end: number): string | undefined {
    const simple = this.#state !== SCALAR && !this.#isKey && end - this.#start <= this.#maxStringBytes
    if (this.#wanted && simple && !this.#capture.begun) return chunk.toString('utf8', this.#start, end)
    this.#keep(chunk.subarray(this.#start, end))
    return this.#wanted ? this.#capture.end()?.toString('utf8') : undefined
  }

  #finish(chunk: Buffer, end: number): void {
    if (this.#isRest) {
      this.#isRest = false
      this.#close(end)
      return
    }
    const text = this.#text(chunk, end)
    const container = this.#state === CONTAINER
    this.#state = this.#isKey ? AFTER_KEY : NEXT
    try {
      if (this.#isKey) this.#key(text)
      else if (container && this.#wanted) this.#node?.container?.(text)
      else if (text !== undefined) this.#node?.scalar?.(parseScalar(text))
    } catch (error: unknown) {
      if (!(error instanceof JsonSyntaxError) || text === undefined) throw error
      const offset = this.#valueAt + Buffer.byteLength(text.slice(0, error.index))
      throw new ReportError('syntax', offset, error.message, { cause: error })
    }
  }

  #key(text: string | undefined): void {
    this.#isKey = false
    const frame = this.#stack.at(-1)
    if (!frame?.isObject) return
    const key = text === undefined ? undefined : parseScalar(text)
    frame.key = typeof key === 'string' ? frame.node.fields.get(key) : undefined
  }
}
