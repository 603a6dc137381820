// Push reader for one JSON object: walks the paths of a schema, hands over the values it wants and skips all others.
import type { CaptureLimits } from './capture.js'
import { CLOSE_LIST, CLOSE_OBJECT, COLON, COMMA, isSpace, OPEN_LIST, OPEN_OBJECT, QUOTE, textOf } from './json-bytes.js'
import { parseElements, type Scalar } from './json-value.js'
import { type ArrayNode, give, type Node, type ObjectNode } from './node.js'
import { ReportError } from './report-error.js'
import { MAX_LOAD, type Skipper } from './skipper.js'
import { StringEnd } from './string-end.js'
import { ValueReader } from './value-reader.js'

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
  readonly #value: ValueReader
  readonly #stack: Frame[] = []
  readonly #root: ObjectNode
  readonly #maxStringBytes: number
  #state: State = VALUE
  #base = 0 // bytes of all chunks before this one
  #loaded = false // this chunk is loaded into the skipper
  #listTried = false // it was tried to take the elements of the list that are in this chunk at once
  #fresh = false // a container was just opened
  #start = 0 // where the value that is being read begins in this chunk
  #node: Node | undefined // who takes it; undefined: nobody
  #isKey = false
  #isRest = false // what is being skipped is the rest of a list

  /** `base`: bytes of the document before its `{`. */
  constructor(root: ObjectNode, limits: CaptureLimits, skipper: Skipper, base: number) {
    this.#root = root
    this.#value = new ValueReader(limits)
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
    return this.#value.cuts
  }

  /** Reads the next bytes. Returns how many of them belong to the document: fewer than all only at its end. */
  push(bytes: Buffer): number {
    let pos = 0
    while (pos < bytes.length && this.#state !== END) pos += this.#chunk(bytes.subarray(pos, pos + MAX_LOAD))
    return pos
  }

  #chunk(chunk: Buffer): number {
    let pos = 0
    this.#loaded = this.#listTried = false
    while (pos < chunk.length && this.#state !== END) {
      if (this.#state === CONTAINER) pos = this.#container(chunk, pos)
      else if (this.#state === STRING) pos = this.#string(chunk, pos)
      else if (this.#state === SCALAR) pos = this.#scalar(chunk, pos)
      else if (isSpace(chunk[pos])) pos++
      else if (this.#state === VALUE && !this.#listTried) pos = this.#elements(chunk, pos)
      else pos = this.#structural(chunk[pos] ?? 0, pos)
    }
    if (this.#state === STRING || this.#state === SCALAR || this.#state === CONTAINER) {
      this.#value.add(chunk.subarray(this.#start))
      this.#start = 0
    }
    this.#base += pos
    return pos
  }

  #fail(message: string, pos: number): never {
    throw new ReportError('syntax', this.#base + pos, message)
  }

  #structural(byte: number, pos: number): number {
    if (this.#state === VALUE) return this.#beginValue(byte, pos)
    const frame = this.#stack.at(-1)
    if (this.#state === KEY) {
      if (byte === CLOSE_OBJECT && this.#fresh) return this.#close(pos)
      if (byte !== QUOTE) this.#fail('an object key expected', pos)
      this.#isKey = true
      return this.#begin(STRING, pos, true)
    }
    if (this.#state === AFTER_KEY) {
      if (byte !== COLON) this.#fail("':' expected", pos)
      this.#state = VALUE
      return pos + 1
    }
    if (byte === (frame?.isObject ? CLOSE_OBJECT : CLOSE_LIST)) return this.#close(pos)
    if (byte !== COMMA) this.#fail("',' or the end of the container expected", pos)
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
    if (byte === COMMA || byte === CLOSE_LIST || byte === CLOSE_OBJECT) this.#fail('a value expected', pos)
    return this.#begin(SCALAR, pos, node?.scalar !== undefined)
  }

  #begin(state: State, pos: number, wanted: boolean): number {
    this.#state = state
    this.#start = pos
    const maxBytes = this.#isKey ? MAX_KEY_BYTES : state === SCALAR ? MAX_NUMBER_BYTES : Number.POSITIVE_INFINITY
    this.#value.begin(this.#base + pos, wanted, maxBytes)
    this.#stringEnd.begin()
    return pos + 1
  }

  #open(frame: Frame, pos: number): number {
    this.#stack.push(frame)
    this.#fresh = true
    this.#listTried = false
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
    if ((frame?.node.wanted?.() ?? 1) > 0) return
    this.#isRest = true
    this.#skipper.begin(1)
    this.#begin(CONTAINER, pos, false)
  }

  /**
   * Takes the elements that are complete in this chunk, all at once: JSON.parse needs about half as long for many small values together as for each
   * by itself. Returns the position behind them, or `pos` if this is no list, there are none, or they must be looked at one by one.
   */
  #elements(chunk: Buffer, pos: number): number {
    this.#listTried = true
    const frame = this.#stack.at(-1)
    if (frame?.isObject !== false || frame.node.item.object !== undefined) return pos
    this.#load(chunk)
    const end = this.#skipper.elements(pos)
    if (end <= pos || end - pos > this.#maxStringBytes) return pos
    const values = parseElements(textOf(chunk.subarray(pos, end)))
    if (values === undefined || values.length === 0) return pos
    const { item, wanted } = frame.node
    for (const value of values) if (wanted === undefined || wanted() > 0) give(item, value)
    this.#fresh = false
    this.#state = NEXT
    return end
  }

  #load(chunk: Buffer): void {
    if (!this.#loaded) this.#skipper.load(chunk)
    this.#loaded = true
  }

  #container(chunk: Buffer, pos: number): number {
    this.#load(chunk)
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

  #finish(chunk: Buffer, end: number): void {
    if (this.#isRest) {
      this.#isRest = false
      this.#close(end)
      return
    }
    const last = chunk.subarray(this.#start, end)
    if (this.#state === CONTAINER) {
      this.#state = NEXT
      this.#node?.container?.(this.#value.container(last))
      return
    }
    this.#state = this.#isKey ? AFTER_KEY : NEXT
    const value = this.#value.scalar(last)
    if (this.#isKey) this.#key(value)
    else if (value !== undefined) this.#node?.scalar?.(value)
  }

  #key(key: Scalar | undefined): void {
    this.#isKey = false
    const frame = this.#stack.at(-1)
    if (frame?.isObject) frame.key = typeof key === 'string' ? frame.node.fields.get(key) : undefined
  }
}
