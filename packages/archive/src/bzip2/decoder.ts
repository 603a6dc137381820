// bzip2 decoder: bytes are read as they are needed and written as far as there is room.
import { BitReader, Bzip2Error, type Fill } from './bits.js'
import { BlockReader } from './block.js'
import { BlockWriter } from './output.js'

const BLOCK_START = [0x314159, 0x265359] as const
const STREAM_END = [0x177245, 0x385090] as const

/** Decodes one or more bzip2 streams that follow each other. Bytes behind the last one that begin no stream are ignored, as bzip2 does. */
export class Bzip2Decoder {
  readonly #bits: BitReader
  readonly #writer = new BlockWriter()
  #block: BlockReader | undefined
  #inStream = false
  #inBlock = false
  #done = false
  #streamCrc = 0

  constructor(fill: Fill) {
    this.#bits = new BitReader(fill)
  }

  /**
   * Writes the next decoded bytes to `out` and returns how many: less than `out.length` only at the end.
   * @throws {Bzip2Error} the input is damaged or truncated
   */
  read(out: Uint8Array): number {
    let pos = 0
    try {
      while (pos < out.length && this.#next()) pos = this.#writer.write(out, pos)
    } catch (error: unknown) {
      // What was read behind the end is padding, so what is wrong with it says nothing.
      if (error instanceof Bzip2Error && this.#bits.padded) throw new Bzip2Error('the input is truncated')
      throw error
    }
    return pos
  }

  /** Makes sure that there is a block to write out. Returns false at the end of the input. */
  #next(): boolean {
    while (!this.#done) {
      if (this.#inBlock && !this.#writer.done) return true
      if (this.#inBlock) this.#endBlock()
      if (this.#inStream) this.#readMagic()
      else this.#startStream()
    }
    return false
  }

  #startStream(): void {
    const bits = this.#bits
    const first = this.#block === undefined
    const more = bits.align()
    if (!first && !more) {
      this.#done = true
      return
    }
    if (bits.read(24) !== 0x425a68) {
      if (first) throw new Bzip2Error('the input does not begin with BZh')
      this.#done = true
      return
    }
    const level = bits.read(8) - 0x30
    if (level < 1 || level > 9) throw new Bzip2Error('the block size is not 1 to 9')
    if (this.#block === undefined || this.#block.permuted.length !== level * 100_000) {
      this.#block = new BlockReader(bits, level * 100_000)
    }
    this.#streamCrc = 0
    this.#inStream = true
  }

  #readMagic(): void {
    const [high, low] = [this.#bits.read(24), this.#bits.read(24)]
    if (high === BLOCK_START[0] && low === BLOCK_START[1] && this.#block !== undefined) {
      this.#block.read()
      this.#writer.start(this.#block)
      this.#inBlock = true
    } else if (high === STREAM_END[0] && low === STREAM_END[1]) {
      if (this.#bits.readWord() !== this.#streamCrc) throw new Bzip2Error('the CRC of the stream is wrong')
      if (this.#bits.overrun) throw new Bzip2Error('the input is truncated')
      this.#inStream = false
    } else throw new Bzip2Error('a block expected')
  }

  #endBlock(): void {
    const crc = this.#writer.crc
    if (crc !== this.#block?.crc) throw new Bzip2Error('the CRC of a block is wrong')
    this.#streamCrc = ((this.#streamCrc << 1) | (this.#streamCrc >>> 31)) ^ crc
    this.#inBlock = false
  }
}
