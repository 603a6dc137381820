// Skips JSON values at memory speed: to the end of a container, by counting brackets outside strings.
import { skipWasm } from './generated/skip-wasm.js'
import { BACKSLASH, QUOTE } from './json-bytes.js'

/** Bytes that one `load` takes at most. */
export const MAX_LOAD = 65_536

/** Finds the end of a container that may begin in one chunk and end in another. */
export interface Skipper {
  /** Makes `chunk` (at most `MAX_LOAD` bytes) the one that `run` reads. */
  load(chunk: Uint8Array): void
  /** Starts at a point that is outside strings and inside `depth` containers. */
  begin(depth: number): void
  /** Goes on at `pos` of the loaded chunk. Returns the position after the bracket that closes the outermost container, or -1 if it is not in this chunk. */
  run(pos: number): number
}

/** The skipper in plain TypeScript, for machines without WebAssembly SIMD. */
export class PlainSkipper implements Skipper {
  #chunk: Uint8Array = new Uint8Array(0)
  #depth = 0
  #inString = false
  #escaped = false

  load(chunk: Uint8Array): void {
    this.#chunk = chunk
  }

  begin(depth: number): void {
    this.#depth = depth
    this.#inString = false
    this.#escaped = false
  }

  run(from: number): number {
    const chunk = this.#chunk
    const end = chunk.length
    let pos = this.#escaped && from < end ? from + 1 : from
    if (pos > from) this.#escaped = false
    while (pos < end) {
      if (this.#inString) {
        pos = this.#runString(pos)
        continue
      }
      // Of what stands outside strings only the four brackets have these bits (and the y of Infinity, which does no harm).
      let byte = chunk[pos] ?? 0
      while (byte !== QUOTE && (byte | 0x26) !== 0x7f && ++pos < end) byte = chunk[pos] ?? 0
      if (pos === end) break
      pos++
      if (byte === QUOTE) this.#inString = true
      else if ((byte | 0x20) === 0x7b) this.#depth++
      else if ((byte | 0x20) === 0x7d && --this.#depth === 0) return pos
    }
    return -1
  }

  #runString(from: number): number {
    const chunk = this.#chunk
    const end = chunk.length
    for (let pos = from; pos < end; pos++) {
      const byte = chunk[pos]
      if (byte === QUOTE) {
        this.#inString = false
        return pos + 1
      }
      if (byte === BACKSLASH && ++pos === end) this.#escaped = true
    }
    return end
  }
}

interface SkipExports extends WebAssembly.Exports {
  memory: WebAssembly.Memory
  begin(depth: number): void
  skip(at: number, end: number): number
}

const isSkipExports = (exports: WebAssembly.Exports): exports is SkipExports =>
  exports.memory instanceof WebAssembly.Memory && typeof exports.skip === 'function'

/** The skipper of `skip.wat`: 64 bytes a step. */
export class SimdSkipper implements Skipper {
  readonly #wasm: SkipExports
  readonly #memory: Uint8Array
  #end = 0

  constructor(module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module)
    if (!isSkipExports(exports)) throw new TypeError('skip.wat must export memory, begin and skip')
    this.#wasm = exports
    this.#memory = new Uint8Array(exports.memory.buffer)
  }

  load(chunk: Uint8Array): void {
    this.#end = chunk.length
    this.#memory.set(chunk)
    this.#memory.fill(0x20, chunk.length, chunk.length + 64)
  }

  begin(depth: number): void {
    this.#wasm.begin(depth)
  }

  run(pos: number): number {
    return this.#wasm.skip(pos, this.#end)
  }
}

/** Runs `make` at the first call and returns its result at every call. */
const once = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** The compiled `skip.wat`, or null where WebAssembly or its SIMD instructions are missing. Compiled at the first call. */
export const skipModule: () => WebAssembly.Module | null = once(() => {
  const bytes = Buffer.from(skipWasm, 'base64')
  return typeof WebAssembly === 'object' && WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null
})

/** The fastest skipper that this machine can run. */
export function createSkipper(): Skipper {
  const module = skipModule()
  return module === null ? new PlainSkipper() : new SimdSkipper(module)
}
