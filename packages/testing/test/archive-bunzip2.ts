/** A plain bzip2 reader for the tests of the writer: reads one stream, checks both CRCs. */
import assert from 'node:assert/strict'

export function bunzip2(input: Buffer): Buffer {
  let at = 0
  const bits = (count: number): number => {
    let value = 0
    for (let i = 0; i < count; i++, at++)
      value = value * 2 + (((input[at >> 3] ?? assert.fail('truncated')) >> (7 - (at & 7))) & 1)
    return value
  }
  assert.equal(input.subarray(0, 3).toString(), 'BZh')
  at = 32
  const blocks: Buffer[] = []
  let combined = 0
  for (;;) {
    const magic = bits(48)
    const crc = bits(32)
    if (magic === 0x177245385090) {
      assert.equal(crc, combined, 'stream CRC')
      return Buffer.concat(blocks)
    }
    assert.equal(magic, 0x314159265359)
    const block = unRunLength(unsort(...readBlock(bits)))
    assert.equal(crc32(block), crc, 'block CRC')
    combined = (((combined << 1) | (combined >>> 31)) ^ crc) >>> 0
    blocks.push(block)
  }
}

function readBlock(bits: (count: number) => number): [Buffer, number] {
  assert.equal(bits(1), 0)
  const origin = bits(24)
  const rows = bits(16)
  const front: number[] = []
  for (let row = 0; row < 16; row++) {
    if (!(rows & (0x8000 >> row))) continue
    const columns = bits(16)
    for (let column = 0; column < 16; column++) if (columns & (0x8000 >> column)) front.push(row * 16 + column)
  }
  const tableCount = bits(3)
  assert.ok(tableCount >= 2 && tableCount <= 6)
  const selectorFront = [...Array(tableCount).keys()]
  const selectors = Array.from({ length: bits(15) }, () => {
    let index = 0
    while (bits(1)) index++
    const [selector = assert.fail('bad selector')] = selectorFront.splice(index, 1)
    selectorFront.unshift(selector)
    return selector
  })
  const tables = Array.from({ length: tableCount }, () => readTable(bits, front.length + 2))
  return [readSymbols(bits, front, selectors, tables), origin]
}

function readTable(bits: (count: number) => number, alphabet: number): Map<number, number> {
  let length = bits(5)
  const lengths = Array.from({ length: alphabet }, () => {
    while (bits(1)) length += bits(1) ? -1 : 1
    assert.ok(length >= 1 && length <= 20)
    return length
  })
  const table = new Map<number, number>()
  for (let code = 0, size = 1; size <= 20; size++, code *= 2) {
    for (const [symbol, wanted] of lengths.entries()) if (wanted === size) table.set(size * 0x200000 + code++, symbol)
  }
  return table
}

function readSymbols(
  bits: (count: number) => number,
  front: number[],
  selectors: number[],
  tables: Map<number, number>[],
): Buffer {
  const out: number[] = []
  const end = front.length + 1
  let run = 0
  let digit = 1
  for (let index = 0; ; index++) {
    const table = tables[selectors[Math.floor(index / 50)] ?? assert.fail('out of selectors')]
    let symbol: number | undefined
    for (let size = 1, code = 0; symbol === undefined; size++) {
      assert.ok(size <= 20, 'bad code')
      code = code * 2 + bits(1)
      symbol = table?.get(size * 0x200000 + code)
    }
    if (symbol <= 1) {
      run += digit << symbol
      digit *= 2
      continue
    }
    for (; run > 0; run--) out.push(front[0] ?? 0)
    digit = 1
    if (symbol === end) return Buffer.from(out)
    const [byte = 0] = front.splice(symbol - 1, 1)
    front.unshift(byte)
    out.push(byte)
  }
}

function unsort(last: Buffer, origin: number): Buffer {
  const order = [...last.keys()].sort((a, b) => (last[a] ?? 0) - (last[b] ?? 0) || a - b)
  const out = Buffer.alloc(last.length)
  let row = order[origin] ?? 0
  for (let i = 0; i < out.length; i++) {
    out[i] = last[row] ?? 0
    row = order[row] ?? 0
  }
  return out
}

function unRunLength(data: Buffer): Buffer {
  const out: number[] = []
  let run = 0
  for (const byte of data) {
    if (run === 4) {
      const repeated = out.at(-1) ?? 0
      for (let i = 0; i < byte; i++) out.push(repeated)
      run = 0
      continue
    }
    run = run > 0 && byte === out.at(-1) ? run + 1 : 1
    out.push(byte)
  }
  return Buffer.from(out)
}

function crc32(data: Buffer): number {
  let crc = 0xffffffff
  for (const byte of data) {
    crc = (crc ^ (byte << 24)) >>> 0
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x80000000 ? 0x04c11db7 : 0)) >>> 0
  }
  return ~crc >>> 0
}
