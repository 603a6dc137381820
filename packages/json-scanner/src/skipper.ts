// Skips JSON values at memory speed, 64 bytes a step: to the end of a container, by counting brackets outside strings.
import { BACKSLASH } from './bytes.js'
import { skipWasm } from './generated/skip-wasm.js'

/** Bytes that one `load` takes at most. */
export const MAX_LOAD = 65_536

/** Where a chunk lies in the memory. The byte before it tells whether its first one is escaped, the one before that is never a backslash. */
const CHUNK_AT = 64
const BEFORE = CHUNK_AT - 1
const BLANK = 0x20

interface SkipExports extends WebAssembly.Exports {
  memory: WebAssembly.Memory
  depth: WebAssembly.Global
  inString: WebAssembly.Global
  escaped: WebAssembly.Global
  last: WebAssembly.Global
  skip(at: number, end: number, depth: number, inString: number, inner: 0 | 1): number
  beyond(at: number, end: number): number
}

const isSkipExports = (exports: WebAssembly.Exports): exports is SkipExports =>
  exports.memory instanceof WebAssembly.Memory && typeof exports.skip === 'function'

function instantiate(): SkipExports {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(skipWasm, 'base64')))
  if (!isSkipExports(exports)) throw new TypeError('skip.wat must export what SkipExports says')
  return exports
}

/** `skip.wat`, shared by all readers: an instance costs as much time as 100 kB of report, and gigabytes of addresses. */
let shared: SkipExports | undefined

/** Finds the end of a container that may begin in one chunk and end in another. */
export class Skipper {
  readonly #wasm: SkipExports
  readonly #memory: Uint8Array
  #end = 0
  #depth = 0
  #inString = 0
  #escaped = 0

  constructor() {
    shared ??= instantiate()
    this.#wasm = shared
    this.#memory = new Uint8Array(shared.memory.buffer)
  }

  /** Makes `chunk` (at most `MAX_LOAD` bytes) the one that is read. It stays so until control is given up: skippers share their memory. */
  load(chunk: Uint8Array): void {
    this.#end = CHUNK_AT + chunk.length
    this.#memory.set(chunk, CHUNK_AT)
    this.#memory.fill(BLANK, this.#end, this.#end + 64)
  }

  /** Starts at a point that is outside strings and inside `depth` containers. */
  begin(depth: number): void {
    this.#depth = depth
    this.#inString = this.#escaped = 0
  }

  /** Goes on at `pos` of the loaded chunk. Returns the position after the bracket that closes the outermost container, or -1 if it is not in this chunk. */
  run(pos: number): number {
    const { skip, depth, inString, escaped } = this.#wasm
    this.#memory[BEFORE] = this.#escaped ? BACKSLASH : BLANK
    const end = skip(CHUNK_AT + pos, this.#end, this.#depth, this.#inString, 0)
    if (end !== -1) return end - CHUNK_AT
    this.#depth = depth.value
    this.#inString = inString.value
    this.#escaped = escaped.value
    return -1
  }

  /**
   * How far a list can be read at once whose element, or end, is at `pos` of the loaded chunk: returns the position of the list's closing bracket or,
   * if that is not in this chunk, the one after the last object or list in it that is complete, 0 if there is none. Takes the place of `begin`.
   */
  elements(pos: number): number {
    const { skip, last } = this.#wasm
    this.#memory[BEFORE] = BLANK
    const end = skip(CHUNK_AT + pos, this.#end, 1, 0, 1)
    if (end !== -1) return end - CHUNK_AT - 1
    return last.value === 0 ? 0 : last.value - CHUNK_AT
  }
  /** Where the first byte of the loaded chunk is, from `pos` on, that is not ASCII; `end` if there is none before it. */
  beyondAscii(pos: number, end: number): number {
    return this.#wasm.beyond(CHUNK_AT + pos, CHUNK_AT + end) - CHUNK_AT
  }
}
