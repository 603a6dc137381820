/** A bzip2 compressor for test archives: Node has none, and Cuckoo 1.2 always sends `tar.bz2`. */

import { BitWriter } from './bit-writer.js'
import { blockSort } from './block-sort.js'
import { encodeSymbols } from './bzip2-huffman.js'

/** Input bytes per block: even if run-length coding adds a quarter, they stay below the format's 900,000. */
const BLOCK_INPUT = 700_000

/** One compressed block: its bits (left-aligned), how many there are, and the CRC of what it holds. */
export interface Bzip2Block {
  readonly bits: Buffer
  readonly bitLength: number
  readonly crc: number
}

/**
 * Compresses up to 700,000 bytes as one block. A block does not depend on its neighbours, so one that is needed
 * many times can be compressed once and written again and again.
 */
export function bzip2Block(data: Uint8Array): Bzip2Block {
  if (data.length === 0 || data.length > BLOCK_INPUT) {
    throw new RangeError(`a bzip2 block takes 1 to ${BLOCK_INPUT} bytes, got ${data.length}`)
  }
  const { last, origin } = blockSort(runLengthEncode(data))
  const { symbols, used } = moveToFront(last)
  const crc = crc32(data)
  const out = new BitWriter()
  out.bits(24, 0x314159)
  out.bits(24, 0x265359)
  out.bits(16, crc >>> 16)
  out.bits(16, crc & 0xffff)
  out.bits(1, 0)
  out.bits(24, origin)
  writeUsedBytes(out, used)
  encodeSymbols(out, symbols, used.length + 2)
  return { bits: out.take(), bitLength: out.bitLength, crc }
}

/** Joins blocks to one bzip2 stream: `begin`, any number of `block`, `end`; each returns the bytes that are complete. */
export class Bzip2Stream {
  readonly #out = new BitWriter()
  #crc = 0

  begin(): Buffer {
    return Buffer.from('BZh9', 'latin1')
  }

  block(block: Bzip2Block): Buffer {
    this.#crc = (((this.#crc << 1) | (this.#crc >>> 31)) ^ block.crc) >>> 0
    this.#out.append(block.bits, block.bitLength)
    return this.#out.takeWhole()
  }

  end(): Buffer {
    this.#out.bits(24, 0x177245)
    this.#out.bits(24, 0x385090)
    this.#out.bits(16, this.#crc >>> 16)
    this.#out.bits(16, this.#crc & 0xffff)
    return this.#out.take()
  }
}

/** Compresses any number of bytes to one stream. Measured: about 3 MB/s; for big archives reuse blocks. */
export async function* bzip2(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  const stream = new Bzip2Stream()
  yield stream.begin()
  for await (const piece of inPieces(source, BLOCK_INPUT)) yield stream.block(bzip2Block(piece))
  yield stream.end()
}

async function* inPieces(source: AsyncIterable<Buffer> | Iterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let kept: Buffer[] = []
  let length = 0
  for await (const chunk of source) {
    let rest = chunk
    while (length + rest.length >= size) {
      const taken = size - length
      yield Buffer.concat([...kept, rest.subarray(0, taken)])
      rest = rest.subarray(taken)
      kept = []
      length = 0
    }
    if (rest.length > 0) kept.push(rest)
    length += rest.length
  }
  if (length > 0) yield Buffer.concat(kept)
}

/** Four equal bytes are followed by a count of how many more there are (0 to 251). */
function runLengthEncode(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + (data.length >> 2) + 1)
  let length = 0
  for (let i = 0; i < data.length; ) {
    const byte = data[i] ?? 0
    let run = 1
    while (run < 255 && data[i + run] === byte) run++
    out.fill(byte, length, length + Math.min(run, 4))
    length += Math.min(run, 4)
    if (run >= 4) out[length++] = run - 4
    i += run
  }
  return out.subarray(0, length)
}

/** Move-to-front coding; runs of zeros as bijective base-2 digits RUNA (0) and RUNB (1), the rest shifted by one. */
function moveToFront(last: Uint8Array): { symbols: Uint16Array; used: number[] } {
  const present = new Uint8Array(256)
  for (const byte of last) present[byte] = 1
  const used = [...present.keys()].filter(byte => present[byte] === 1)
  const front = Uint8Array.from(used)
  const symbols = new Uint16Array(last.length + 1)
  let length = 0
  let zeros = 0
  const flushZeros = (): void => {
    for (; zeros > 0; zeros = (zeros - 1) >> 1) symbols[length++] = zeros & 1 ? 0 : 1
  }
  for (const byte of last) {
    const index = front.indexOf(byte)
    if (index === 0) {
      zeros++
      continue
    }
    flushZeros()
    front.copyWithin(1, 0, index)
    front[0] = byte
    symbols[length++] = index + 1
  }
  flushZeros()
  symbols[length++] = used.length + 1
  return { symbols: symbols.subarray(0, length), used }
}

function writeUsedBytes(out: BitWriter, used: readonly number[]): void {
  const rows = new Uint16Array(16)
  for (const byte of used) rows[byte >> 4] = (rows[byte >> 4] ?? 0) | (0x8000 >> (byte & 15))
  out.bits(
    16,
    rows.reduce((all, row, index) => (row === 0 ? all : all | (0x8000 >> index)), 0),
  )
  for (const row of rows) if (row !== 0) out.bits(16, row)
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  return crc >>> 0
})

/** bzip2's CRC-32: the usual polynomial, most significant bit first. */
function crc32(data: Uint8Array): number {
  let crc = -1
  for (let i = 0; i < data.length; i++) crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ (data[i] ?? 0)] ?? 0)
  return ~crc >>> 0
}
