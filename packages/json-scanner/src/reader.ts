// Push reader for one JSON object: walks the paths of a schema, hands over the values it wants and skips all others.
import { CLOSE_LIST, CLOSE_OBJECT, COLON, COMMA, isSpace, OPEN_LIST, OPEN_OBJECT, QUOTE } from './bytes.js'
import { JsonError, type JsonErrorCode } from './error.js'
import { type ArrayNode, give, type Node, type ObjectNode } from './schema.js'
import { MAX_LOAD } from './skipper.js'
import { isScalar, parseElements, parseJson, parseScalar } from './value.js'
import { ValueReader } from './value-reader.js'

export interface ReaderOptions {
  /** Bytes of one string that is built, as written, without its quotes. A longer one is cut there and ends in ` [cut: N bytes]`. Default: none is cut. */
  readonly maxStringBytes?: number
  /** Bytes of one value that is built, after cutting; default 16 MiB. */
  readonly maxValueBytes?: number
  /** What the document is called in errors; default `JSON`. */
  readonly document?: string
}

type Frame =
  | { readonly isObject: true; readonly node: ObjectNode; readonly seen: string[]; key: Node | undefined }
  | { readonly isObject: false; readonly node: ArrayNode }

const START = 0
const KEY = 1
const AFTER_KEY = 2
const VALUE = 3
const NEXT = 4
const END = 5
// Inside a value, from here on:
const IN_KEY = 6
const IN_VALUE = 7
const IN_REST = 8 // of a list
type State = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

/**
 * Reads one document: `push` its bytes in pieces of any size, then `end`. White space and a byte-order mark may come first; what follows its end is
 * counted. What a node of the schema throws ends the reading with that error.
 */
export class JsonReader {
  readonly #value: ValueReader
  readonly #stack: Frame[] = []
  readonly #root: ObjectNode
  readonly #document: string
  #state: State = START
  #bytes = 0 // of all chunks before this one
  #listTried = false // it was tried to take the elements of the list that are in this chunk at once
  #fresh = false // a container was just opened
  #node: Node | undefined // who takes the value that is being read; undefined: nobody
  #trailing = 0

  constructor(root: ObjectNode, options: ReaderOptions = {}) {
    const { maxStringBytes = Number.POSITIVE_INFINITY, maxValueBytes = 16 * 1024 ** 2, document = 'JSON' } = options
    this.#root = root
    this.#document = document
    this.#value = new ValueReader({ maxStringBytes, maxValueBytes }, document)
  }

  /** Strings that were cut. */
  get cuts(): number {
    return this.#value.cuts
  }

  /** Bytes pushed. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes behind the end of the document, white space before them not counted. */
  get trailingBytes(): number {
    return this.#trailing
  }

  /**
   * Reads the next bytes; they may be reused afterwards.
   * @throws {JsonError} all codes but `truncated`; the reader cannot be used any more
   */
  push(bytes: Buffer): void {
    for (let pos = 0; pos < bytes.length; pos += MAX_LOAD) this.#chunk(bytes.subarray(pos, pos + MAX_LOAD))
  }

  /**
   * The input is complete.
   * @throws {JsonError} `truncated`
   */
  end(): void {
    if (this.#state === START) throw this.#error('truncated', 'it is empty', 0)
    if (this.#state !== END) throw this.#error('truncated', 'it ends before its top-level object is closed', 0)
  }

  #chunk(chunk: Buffer): void {
    let pos = 0
    this.#value.load(chunk, this.#bytes)
    this.#listTried = false
    while (pos < chunk.length && this.#state !== END) {
      if (this.#state >= IN_KEY) pos = this.#inside(chunk, pos)
      else if (isSpace(chunk[pos])) pos++
      else if (this.#state === VALUE && !this.#listTried) pos = this.#elements(pos)
      else pos = this.#structural(chunk[pos] ?? 0, pos)
    }
    if (this.#state === END) this.#countTrailing(chunk, pos)
    else if (this.#state >= IN_KEY) this.#value.keep()
    this.#bytes += chunk.length
  }

  #countTrailing(chunk: Buffer, from: number): void {
    let pos = from
    if (this.#trailing === 0) while (pos < chunk.length && isSpace(chunk[pos])) pos++
    this.#trailing += chunk.length - pos
  }

  #error(code: JsonErrorCode, problem: string, pos: number): JsonError {
    return new JsonError(code, this.#bytes + pos, problem, this.#document)
  }

  #expect(isThere: boolean, what: string, pos: number): void {
    if (!isThere) throw this.#error('syntax', `${what} expected`, pos)
  }

  #structural(byte: number, pos: number): number {
    if (this.#state === VALUE) return this.#beginValue(byte, pos)
    if (this.#state === START) return this.#begin(byte, pos)
    const frame = this.#stack.at(-1)
    if (this.#state === KEY) {
      if (byte === CLOSE_OBJECT && this.#fresh) return this.#close(pos)
      this.#expect(byte === QUOTE, 'an object key', pos)
      this.#state = IN_KEY
      return this.#value.beginKey(pos)
    }
    if (this.#state === AFTER_KEY) {
      this.#expect(byte === COLON, "':'", pos)
      this.#state = VALUE
      return pos + 1
    }
    if (byte === (frame?.isObject ? CLOSE_OBJECT : CLOSE_LIST)) return this.#close(pos)
    this.#expect(byte === COMMA, "',' or the end of the container", pos)
    this.#fresh = false
    if (!frame?.isObject) return this.#nextItem(frame, pos + 1)
    this.#state = KEY
    return pos + 1
  }

  #begin(byte: number, pos: number): number {
    if (byte === BYTE_ORDER_MARK[this.#bytes + pos]) return pos + 1
    if (byte !== OPEN_OBJECT) throw this.#error('not-json', 'a JSON object expected', pos)
    return this.#open({ isObject: true, node: this.#root, seen: [], key: undefined }, pos)
  }

  #beginValue(byte: number, pos: number): number {
    const frame = this.#stack.at(-1)
    if (byte === CLOSE_LIST && this.#fresh && frame?.isObject === false) return this.#close(pos)
    this.#fresh = false
    this.#expect(byte !== COMMA && byte !== CLOSE_LIST && byte !== CLOSE_OBJECT, 'a value', pos)
    const node = frame?.isObject ? frame.key : frame?.node.item
    this.#node = node
    node?.begin?.()
    if (byte === OPEN_OBJECT && node?.object)
      return this.#open({ isObject: true, node: node.object, seen: [], key: undefined }, pos)
    if (byte === OPEN_LIST && node?.array) return this.#open({ isObject: false, node: node.array }, pos)
    this.#state = IN_VALUE
    return this.#value.begin(byte, pos, node)
  }

  #open(frame: Frame, pos: number): number {
    this.#stack.push(frame)
    this.#fresh = true
    this.#listTried = false
    frame.node.open?.()
    if (!frame.isObject) return this.#nextItem(frame, pos + 1)
    this.#state = KEY
    return pos + 1
  }

  #close(pos: number): number {
    const frame = this.#stack.pop()
    this.#fresh = false
    this.#state = this.#stack.length === 0 ? END : NEXT
    if (frame?.isObject) frame.node.close?.()
    return pos + 1
  }

  #nextItem(frame: (Frame & { isObject: false }) | undefined, pos: number): number {
    const isWanted = (frame?.node.wanted?.() ?? 1) > 0
    this.#state = isWanted ? VALUE : IN_REST
    return isWanted ? pos : this.#value.beginRest(pos)
  }

  /**
   * Takes the elements that are complete in this chunk, all at once: JSON.parse needs about half as long for many small values together as for each
   * by itself. Returns the position behind them, or `pos` if this is no list, there are none, or they must be looked at one by one.
   */
  #elements(pos: number): number {
    this.#listTried = true
    const frame = this.#stack.at(-1)
    if (frame?.isObject !== false || frame.node.item.object || frame.node.item.bytes) return pos
    const found = this.#value.elements(pos, parseElements)
    if (found === undefined || found.values.length === 0) return pos
    const { item, wanted } = frame.node
    for (const value of found.values) if (wanted === undefined || wanted() > 0) give(item, value)
    this.#fresh = false
    this.#state = NEXT
    return found.end
  }

  #inside(chunk: Buffer, pos: number): number {
    const end = this.#value.run(pos)
    if (end === -1) return chunk.length
    if (this.#state === IN_REST) return this.#close(end - 1)
    if (this.#state === IN_KEY) this.#key(end)
    else this.#give(this.#node, chunk[end - 1])
    return end
  }

  #key(pos: number): void {
    this.#state = AFTER_KEY
    const frame = this.#stack.at(-1)
    if (!frame?.isObject) return
    const key = this.#value.isKept ? String(this.#value.parse(parseScalar)) : ''
    const field = frame.node.fields.get(key)
    frame.key = field ?? frame.node.others
    if (field === undefined) return
    if (frame.seen.includes(key)) throw this.#error('repeated', `${JSON.stringify(key)} is there twice`, pos)
    frame.seen.push(key)
  }

  /** Hands over a value that was not walked; `last` is its last byte. */
  #give(node: Node | undefined, last: number | undefined): void {
    this.#state = NEXT
    if (node === undefined || !this.#value.isKept) return
    const isContainer = last === CLOSE_OBJECT || last === CLOSE_LIST
    let value: unknown
    try {
      value = this.#value.parse(isContainer ? parseJson : parseScalar)
    } catch (error: unknown) {
      if (!(error instanceof JsonError) || !node.unreadable) throw error
      node.unreadable(error)
      return
    }
    if (isScalar(value)) node.scalar?.(value)
    else node.container?.(value)
  }
}
