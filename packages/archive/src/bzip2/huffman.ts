// Canonical Huffman codes of up to 20 bits: one look-up for the short ones, a search by length for the rest.
import { type BitReader, Bzip2Error } from './bits.js'

/** Bits of the longest code that the look-up table knows. */
export const LOOKUP_BITS = 10
/** Bits of the longest code there can be. */
export const MAX_CODE_BITS = 20
/** Bytes, two symbols for runs, and the end of the block. */
export const MAX_SYMBOLS = 258

/** One code. */
export class HuffmanTable {
  /** By the next `LOOKUP_BITS` bits: symbol × 32 + length of its code, or 0 if the code is longer. */
  readonly lookup = new Uint16Array(1 << LOOKUP_BITS)
  /** By length: codes of that length are smaller than this. */
  readonly limit = new Int32Array(MAX_CODE_BITS + 1)
  /** By length: what to add to a code to find its symbol in `symbols`. */
  readonly offset = new Int32Array(MAX_CODE_BITS + 1)
  readonly symbols = new Uint16Array(MAX_SYMBOLS)
  longest = 0
  readonly #lengths = new Uint8Array(MAX_SYMBOLS)

  /** Reads the lengths of `symbols` codes: each is given as steps up or down from the one before. */
  readFrom(bits: BitReader, symbols: number): void {
    let length = bits.read(5)
    for (let symbol = 0; symbol < symbols; symbol++) {
      while (length >= 1 && length <= MAX_CODE_BITS && bits.read(1) === 1) length += bits.read(1) === 1 ? -1 : 1
      if (length < 1 || length > MAX_CODE_BITS) throw new Bzip2Error('a code length is out of range')
      this.#lengths[symbol] = length
    }
    this.#build(symbols)
  }

  #build(symbols: number): void {
    this.lookup.fill(0)
    this.longest = Math.max(...this.#lengths.subarray(0, symbols))
    let code = 0
    let index = 0
    for (let length = 1; length <= this.longest; length++) {
      this.offset[length] = index - code
      for (let symbol = 0; symbol < symbols; symbol++) {
        if (this.#lengths[symbol] !== length) continue
        this.symbols[index++] = symbol
        if (length <= LOOKUP_BITS && code < 1 << length) {
          const spare = LOOKUP_BITS - length
          this.lookup.fill((symbol << 5) | length, code << spare, (code + 1) << spare)
        }
        code++
      }
      this.limit[length] = code
      code <<= 1
    }
  }
}
