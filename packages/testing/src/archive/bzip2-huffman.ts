/** The last step of bzip2: groups of 50 symbols, each coded with the best of two to six Huffman tables. */
import type { BitWriter } from './bit-writer.js'

const GROUP = 50
const MAX_CODE_LENGTH = 17
const ROUNDS = 4

/** Writes tables, selectors and the coded symbols. `alphabet` counts RUNA, RUNB, the values and the end mark. */
export function encodeSymbols(out: BitWriter, symbols: Uint16Array, alphabet: number): void {
  const { tables, selectors } = fitTables(symbols, alphabet)
  out.bits(3, tables.length)
  out.bits(15, selectors.length)
  writeSelectors(out, selectors, tables.length)
  for (const lengths of tables) writeTable(out, lengths)
  const codes = tables.map(canonicalCodes)
  for (let group = 0; group < selectors.length; group++) {
    const table = selectors[group] ?? 0
    const lengths = tables[table] ?? new Uint8Array()
    const code = codes[table] ?? new Uint32Array()
    const end = Math.min(symbols.length, (group + 1) * GROUP)
    for (let i = group * GROUP; i < end; i++) {
      const symbol = symbols[i] ?? 0
      out.bits(lengths[symbol] ?? 0, code[symbol] ?? 0)
    }
  }
}

/** Starts with tables that favour different parts of the alphabet, then lets every group choose, and refits, four times. */
function fitTables(symbols: Uint16Array, alphabet: number): { tables: Uint8Array[]; selectors: Uint8Array } {
  const count =
    symbols.length < 200 ? 2 : symbols.length < 600 ? 3 : symbols.length < 1200 ? 4 : symbols.length < 2400 ? 5 : 6
  let tables: Uint8Array[] = Array.from({ length: count }, (_, table) =>
    Uint8Array.from({ length: alphabet }, (_, symbol) => (Math.floor((symbol * count) / alphabet) === table ? 1 : 15)),
  )
  const selectors = new Uint8Array(Math.ceil(symbols.length / GROUP))
  for (let round = 0; round < ROUNDS; round++) {
    const frequencies = tables.map(() => new Uint32Array(alphabet))
    for (let group = 0; group < selectors.length; group++) {
      const members = symbols.subarray(group * GROUP, (group + 1) * GROUP)
      const best = cheapestTable(members, tables)
      selectors[group] = best
      const counts = frequencies[best] ?? new Uint32Array()
      for (const symbol of members) counts[symbol] = (counts[symbol] ?? 0) + 1
    }
    tables = frequencies.map(codeLengths)
  }
  return { tables, selectors }
}

function cheapestTable(members: Uint16Array, tables: readonly Uint8Array[]): number {
  let best = 0
  let bestCost = Number.POSITIVE_INFINITY
  for (let table = 0; table < tables.length; table++) {
    const lengths = tables[table] ?? new Uint8Array()
    let cost = 0
    for (let i = 0; i < members.length; i++) cost += lengths[members[i] ?? 0] ?? 0
    if (cost < bestCost) {
      best = table
      bestCost = cost
    }
  }
  return best
}

/** Huffman code lengths of 1 to 17 bits; a symbol that does not occur gets a code as well, as the format wants. */
function codeLengths(frequencies: Uint32Array): Uint8Array {
  for (let scale = 0; ; scale++) {
    const lengths = unboundedLengths(frequencies.map(count => Math.max(1, count >>> scale)))
    if (lengths.every(length => length <= MAX_CODE_LENGTH)) return lengths
  }
}

function unboundedLengths(weights: Uint32Array): Uint8Array {
  const leaves = [...weights.keys()].sort((a, b) => (weights[a] ?? 0) - (weights[b] ?? 0))
  const weight = leaves.map(symbol => weights[symbol] ?? 0)
  const parent = new Int32Array(2 * leaves.length)
  let nextLeaf = 0
  let nextNode = leaves.length
  const lightest = (): number => {
    const leafWins =
      nextLeaf < leaves.length && (nextNode >= weight.length || (weight[nextLeaf] ?? 0) <= (weight[nextNode] ?? 0))
    return leafWins ? nextLeaf++ : nextNode++
  }
  while (weight.length < 2 * leaves.length - 1) {
    const a = lightest()
    const b = lightest()
    parent[a] = parent[b] = weight.length
    weight.push((weight[a] ?? 0) + (weight[b] ?? 0))
  }
  const depth = new Uint8Array(weight.length)
  for (let node = weight.length - 2; node >= 0; node--) depth[node] = (depth[parent[node] ?? 0] ?? 0) + 1
  const lengths = new Uint8Array(weights.length)
  for (const [leaf, symbol] of leaves.entries()) lengths[symbol] = depth[leaf] ?? 0
  return lengths
}

function canonicalCodes(lengths: Uint8Array): Uint32Array {
  const codes = new Uint32Array(lengths.length)
  let code = 0
  for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
    for (let symbol = 0; symbol < lengths.length; symbol++) if (lengths[symbol] === length) codes[symbol] = code++
    code <<= 1
  }
  return codes
}

function writeSelectors(out: BitWriter, selectors: Uint8Array, tables: number): void {
  const front = [...Array(tables).keys()]
  for (const selector of selectors) {
    const index = front.indexOf(selector)
    for (let i = 0; i < index; i++) out.bits(1, 1)
    out.bits(1, 0)
    front.splice(index, 1)
    front.unshift(selector)
  }
}

function writeTable(out: BitWriter, lengths: Uint8Array): void {
  let current = lengths[0] ?? 1
  out.bits(5, current)
  for (const length of lengths) {
    for (; current < length; current++) out.bits(2, 0b10)
    for (; current > length; current--) out.bits(2, 0b11)
    out.bits(1, 0)
  }
}
