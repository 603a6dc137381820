// Writes a block out: undoes the permutation, expands runs and checks the CRC. It can stop after any byte, because a block of 900 kB may expand to 45 MB.
import type { BlockReader } from './block.js'

// CRC-32 with the most significant bit first: libarchive/bzip2:crctable.c.
const crcTable = (): Int32Array => {
  const table = new Int32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 24
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1
    table[byte] = crc
  }
  return table
}

const RUN = 4 // equal bytes that are followed by a count of further ones

/** The decoded bytes of one block after the other. */
export class BlockWriter {
  readonly #table = crcTable()
  #permuted: Uint32Array = new Uint32Array(0)
  #at = 0 // where the next byte stands in #permuted
  #left = 0 // bytes of #permuted that were not visited
  #equal = 0 // equal bytes in a row
  #last = -1
  #repeat = 0 // how often #last is still to be written
  #crc = -1

  /** The block is written out. */
  get done(): boolean {
    return this.#left === 0 && this.#repeat === 0
  }

  /** CRC-32 of the block so far. */
  get crc(): number {
    return ~this.#crc
  }

  start(block: BlockReader): void {
    const { permuted, counts, length } = block
    let sum = 0
    for (let byte = 0; byte < 256; byte++) {
      const count = counts[byte] ?? 0
      counts[byte] = sum
      sum += count
    }
    for (let index = 0; index < length; index++) {
      const byte = (permuted[index] ?? 0) & 0xff
      const place = counts[byte] ?? 0
      counts[byte] = place + 1
      permuted[place] = (permuted[place] ?? 0) | (index << 8)
    }
    this.#permuted = permuted
    this.#at = (permuted[block.origin] ?? 0) >>> 8
    this.#left = length
    this.#equal = this.#repeat = 0
    this.#last = this.#crc = -1
  }

  /** Writes the next bytes to `out`, beginning at `from`. Returns where it stopped: before the end of `out` only if the block is done. */
  write(out: Uint8Array, from: number): number {
    const permuted = this.#permuted
    const table = this.#table
    let pos = from
    let at = this.#at
    let left = this.#left
    let last = this.#last
    let equal = this.#equal
    let crc = this.#crc
    let repeat = this.#repeat
    const end = out.length
    for (;;) {
      for (; repeat > 0 && pos < end; repeat--) {
        out[pos++] = last
        crc = (crc << 8) ^ (table[(crc >>> 24) ^ last] ?? 0)
      }
      while (left > 0 && pos < end && equal !== RUN) {
        const entry = permuted[at] ?? 0
        const byte = entry & 0xff
        at = entry >>> 8
        left--
        equal = byte === last ? equal + 1 : 1
        last = byte
        out[pos++] = byte
        crc = (crc << 8) ^ (table[(crc >>> 24) ^ byte] ?? 0)
      }
      if (left === 0 || pos === end) break
      const entry = permuted[at] ?? 0
      repeat = entry & 0xff
      at = entry >>> 8
      left--
      equal = 0
    }
    this.#at = at
    this.#left = left
    this.#last = last
    this.#equal = equal
    this.#crc = crc
    this.#repeat = repeat
    return pos
  }
}
