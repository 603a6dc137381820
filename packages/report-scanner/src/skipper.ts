// Skips JSON values at memory speed: to the end of a container, by counting brackets outside strings.
import { skipWasm } from './generated/skip-wasm.js'
import { BACKSLASH, QUOTE } from './json-bytes.js'

/** Bytes that one `load` takes at most. */
export const MAX_LOAD = 65_536

/** Finds the end of a container that may begin in one chunk and end in another. */
export interface Skipper {
  /** Makes `chunk` (at most `MAX_LOAD` bytes) the one that is read. It stays so until control is given up: some skippers share their memory. */
  load(chunk: Uint8Array): void
  /** Starts at a point that is outside strings and inside `depth` containers. */
  begin(depth: number): void
  /** Goes on at `pos` of the loaded chunk. Returns the position after the bracket that closes the outermost container, or -1 if it is not in this chunk. */
  run(pos: number): number
  /**
   * How far a list can be read at once whose element, or end, is at `pos` of the loaded chunk: returns the position of the list's closing bracket or,
   * if that is not in this chunk, the one after the last object or list in it that is complete, 0 if there is none. Takes the place of `begin`.
   */
  elements(pos: number): number
}

/** The skipper in plain TypeScript, for machines without WebAssembly SIMD. */
export class PlainSkipper implements Skipper {
  #chunk: Uint8Array = new Uint8Array(0)
  #depth = 0
  #inString = false
  #escaped = false
  #last = 0

  load(chunk: Uint8Array): void {
    this.#chunk = chunk
  }

  elements(pos: number): number {
    this.begin(1)
    this.#last = 0
    const end = this.run(pos)
    return end === -1 ? this.#last : end - 1
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
      else if ((byte | 0x20) === 0x7d) {
        if (--this.#depth === 0) return pos
        if (this.#depth === 1) this.#last = pos
      }
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
  depth: WebAssembly.Global
  inString: WebAssembly.Global
  escaped: WebAssembly.Global
  last: WebAssembly.Global
  skip(at: number, end: number, depth: number, inString: number, escaped: number, inner: 0 | 1): number
}

const isSkipExports = (exports: WebAssembly.Exports): exports is SkipExports =>
  exports.memory instanceof WebAssembly.Memory && typeof exports.skip === 'function'

/** Runs `make` at the first call and returns its result at every call. */
const once = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/**
 * `skip.wat`, compiled at the first call, or null where WebAssembly or its SIMD instructions are missing. All scanners share it: an instance costs
 * as much time as 100 kB of report, and gigabytes of addresses.
 */
const skipExports: () => SkipExports | null = once(() => {
  const bytes = Buffer.from(skipWasm, 'base64')
  if (typeof WebAssembly !== 'object' || !WebAssembly.validate(bytes)) return null
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes))
  if (!isSkipExports(exports)) throw new TypeError('skip.wat must export what SkipExports says')
  return exports
})

/** The skipper of `skip.wat`: 64 bytes a step. */
export class SimdSkipper implements Skipper {
  readonly #wasm: SkipExports
  readonly #memory: Uint8Array
  #end = 0
  #depth = 0
  #inString = 0
  #escaped = 0

  private constructor(wasm: SkipExports) {
    this.#wasm = wasm
    this.#memory = new Uint8Array(wasm.memory.buffer)
  }

  /** Undefined where WebAssembly or its SIMD instructions are missing. */
  static create(): SimdSkipper | undefined {
    const wasm = skipExports()
    return wasm === null ? undefined : new SimdSkipper(wasm)
  }

  load(chunk: Uint8Array): void {
    this.#end = chunk.length
    this.#memory.set(chunk)
    this.#memory.fill(0x20, chunk.length, chunk.length + 64)
  }

  begin(depth: number): void {
    this.#depth = depth
    this.#inString = this.#escaped = 0
  }

  run(pos: number): number {
    const { skip, depth, inString, escaped } = this.#wasm
    const end = skip(pos, this.#end, this.#depth, this.#inString, this.#escaped, 0)
    if (end !== -1) return end
    this.#depth = depth.value
    this.#inString = inString.value
    this.#escaped = escaped.value
    return -1
  }

  elements(pos: number): number {
    const { skip, last } = this.#wasm
    const end = skip(pos, this.#end, 1, 0, 0, 1)
    return end === -1 ? last.value : end - 1
  }
}

/** The fastest skipper that this machine can run. */
export function createSkipper(): Skipper {
  return SimdSkipper.create() ?? new PlainSkipper()
}
