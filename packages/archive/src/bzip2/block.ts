// Reads one bzip2 block: Huffman codes, move-to-front and run lengths, up to the permuted bytes.
// The format is that of libarchive/bzip2:decompress.c.
import { type BitReader, Bzip2Error } from './bits.js'
import { HuffmanTable, LOOKUP_BITS } from './huffman.js'

const MAX_TABLES = 6
const GROUP = 50 // symbols that one table decodes before the next is chosen
const RUN_B = 1 // symbols 0 and 1 are the digits of a run length

/** Decodes blocks, one at a time, into the same memory. */
export class BlockReader {
  /** The bytes of the block in the order of the transform; from `BlockWriter.start` on with links in the upper bits. */
  readonly permuted: Uint32Array
  /** Bytes in this block. */
  length = 0
  /** Where the first byte of the block stands. */
  origin = 0
  /** How often each byte occurs. */
  readonly counts = new Uint32Array(256)
  /** CRC-32 that the decoded block must have. */
  crc = 0
  readonly #bits: BitReader
  readonly #front = new Uint8Array(256) // the bytes that are used, most recent first
  readonly #selectors = new Uint8Array(32_768)
  readonly #tables = Array.from({ length: MAX_TABLES }, () => new HuffmanTable())

  /** `maxLength`: bytes that a block has at most. */
  constructor(bits: BitReader, maxLength: number) {
    this.#bits = bits
    this.permuted = new Uint32Array(maxLength)
  }

  /** Reads the block whose magic number was just read. */
  read(): void {
    this.crc = this.#bits.readWord()
    if (this.#bits.read(1) === 1) throw new Bzip2Error('randomised blocks (bzip2 0.9.0 and older) are not supported')
    this.origin = this.#bits.read(24)
    const used = this.#readUsedBytes()
    const selectors = this.#readTables(used + 2)
    this.#readSymbols(used + 1, selectors)
    if (this.origin >= this.length) throw new Bzip2Error('the origin is outside the block')
  }

  #readUsedBytes(): number {
    const bits = this.#bits
    const rows = bits.read(16)
    let used = 0
    for (let row = 0; row < 16; row++) {
      if ((rows & (0x8000 >> row)) === 0) continue
      const columns = bits.read(16)
      for (let column = 0; column < 16; column++) {
        if ((columns & (0x8000 >> column)) !== 0) this.#front[used++] = row * 16 + column
      }
    }
    if (used === 0) throw new Bzip2Error('a block uses no bytes')
    return used
  }

  /** Reads selectors and tables. Returns how many selectors there are. */
  #readTables(symbols: number): number {
    const bits = this.#bits
    const tables = bits.read(3)
    const selectors = bits.read(15)
    if (tables < 2 || tables > MAX_TABLES || selectors === 0) throw new Bzip2Error('a block has no tables or too many')
    const recent = [0, 1, 2, 3, 4, 5]
    for (let index = 0; index < selectors; index++) {
      let place = 0
      while (bits.read(1) === 1) if (++place >= tables) throw new Bzip2Error('a selector is out of range')
      const [table = 0] = recent.splice(place, 1)
      recent.unshift(table)
      this.#selectors[index] = table
    }
    for (const table of this.#tables.slice(0, tables)) table.readFrom(bits, symbols)
    return selectors
  }

  /** The hot loop: everything it touches is in local variables, so it is one function. */
  #readSymbols(endOfBlock: number, selectors: number): void {
    const { permuted, counts } = this
    const bits = this.#bits
    const { buffer } = bits
    const front = this.#front
    const max = permuted.length
    counts.fill(0)
    let { pos, end, hold, count } = bits
    let length = 0
    let run = 0
    let digit = 1 // what the next digit of the run length is worth
    let selector = 0
    let left = 0 // symbols until the next table
    let table = this.#table(0)
    let lookup = table.lookup
    for (;;) {
      if (left-- === 0) {
        if (selector === selectors) throw new Bzip2Error('a block has too few selectors')
        table = this.#table(this.#selectors[selector++] ?? 0)
        lookup = table.lookup
        left = GROUP - 1
      }
      while (count <= 24) {
        if (pos === end) {
          bits.refill()
          ;({ pos, end } = bits)
        }
        hold = (hold << 8) | (buffer[pos++] ?? 0)
        count += 8
      }
      const entry = lookup[(hold >>> (count - LOOKUP_BITS)) & ((1 << LOOKUP_BITS) - 1)] ?? 0
      let symbol = entry >>> 5
      if (entry === 0) {
        const bitsUsed = longCode(table, hold, count)
        symbol =
          table.symbols[((hold >>> (count - bitsUsed)) & ((1 << bitsUsed) - 1)) + (table.offset[bitsUsed] ?? 0)] ?? 0
        count -= bitsUsed
      } else count -= entry & 31
      if (symbol <= RUN_B) {
        run += digit << symbol
        digit <<= 1
        if (run > max) throw new Bzip2Error('a run is longer than a block')
        continue
      }
      if (run > 0) {
        const byte = front[0] ?? 0
        if (length + run > max) throw new Bzip2Error('a block is too long')
        permuted.fill(byte, length, length + run)
        counts[byte] = (counts[byte] ?? 0) + run
        length += run
        run = 0
        digit = 1
      }
      if (symbol === endOfBlock) break
      if (length === max) throw new Bzip2Error('a block is too long')
      let place = symbol - 1
      const byte = front[place] ?? 0
      if (place > 16) front.copyWithin(1, 0, place)
      else for (; place > 0; place--) front[place] = front[place - 1] ?? 0
      front[0] = byte
      counts[byte] = (counts[byte] ?? 0) + 1
      permuted[length++] = byte
    }
    bits.pos = pos
    bits.end = end
    bits.hold = hold
    bits.count = count
    this.length = length
  }

  #table(index: number): HuffmanTable {
    const table = this.#tables[index]
    if (table === undefined) throw new RangeError(`no Huffman table ${index}`)
    return table
  }
}

/** The length of the next code, which is not in the look-up table. */
function longCode(table: HuffmanTable, hold: number, count: number): number {
  for (let length = 1; length <= table.longest; length++) {
    const code = (hold >>> (count - length)) & ((1 << length) - 1)
    if (code < (table.limit[length] ?? 0)) return length
  }
  throw new Bzip2Error('a code is not in its table')
}
