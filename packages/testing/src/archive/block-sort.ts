/** What the Burrows-Wheeler transform of a block is: the last column, and the row that holds the block itself. */
export interface SortedBlock {
  readonly last: Uint8Array
  readonly origin: number
}

/**
 * Sorts all rotations of `block` by doubling the compared length (1, 2, 4, … bytes), each time with a counting sort:
 * at most 2·log2(n) passes for any input, repetitive ones included.
 */
export function blockSort(block: Uint8Array): SortedBlock {
  const n = block.length
  const counts = new Int32Array(Math.max(256, n) + 1)
  const order = new Int32Array(n)
  const shifted = new Int32Array(n)
  let rank = Int32Array.from(block)
  let nextRank = new Int32Array(n)
  for (let i = 0; i < n; i++) shifted[i] = i
  sortByRank(shifted, rank, 256, counts, order)
  let classes = renumber(order, rank, 0, nextRank)
  ;[rank, nextRank] = [nextRank, rank]
  for (let width = 1; width < n && classes < n; width *= 2) {
    // Rows are in order of their first `width` bytes: moved back by `width` they are in order of their second half.
    for (let i = 0; i < n; i++) {
      const row = (order[i] ?? 0) - width
      shifted[i] = row < 0 ? row + n : row
    }
    sortByRank(shifted, rank, classes, counts, order)
    classes = renumber(order, rank, width, nextRank)
    ;[rank, nextRank] = [nextRank, rank]
  }
  const last = new Uint8Array(n)
  for (let i = 0; i < n; i++) last[i] = block[((order[i] ?? 0) + n - 1) % n] ?? 0
  return { last, origin: order.indexOf(0) }
}

/** Stable counting sort of `rows` by `rank`. */
function sortByRank(rows: Int32Array, rank: Int32Array, classes: number, counts: Int32Array, sorted: Int32Array): void {
  const n = rows.length
  counts.fill(0, 0, classes + 1)
  for (let i = 0; i < n; i++) counts[(rank[i] ?? 0) + 1] = (counts[(rank[i] ?? 0) + 1] ?? 0) + 1
  for (let c = 1; c <= classes; c++) counts[c] = (counts[c] ?? 0) + (counts[c - 1] ?? 0)
  for (let i = 0; i < n; i++) {
    const row = rows[i] ?? 0
    const at = rank[row] ?? 0
    const place = counts[at] ?? 0
    sorted[place] = row
    counts[at] = place + 1
  }
}

/** Gives rows that are equal in both halves the same new rank; returns how many ranks there are. */
function renumber(order: Int32Array, rank: Int32Array, width: number, nextRank: Int32Array): number {
  const n = order.length
  let classes = 0
  let first = -1
  let second = -1
  for (let i = 0; i < n; i++) {
    const row = order[i] ?? 0
    const other = row + width
    const a = rank[row] ?? 0
    const b = rank[other < n ? other : other - n] ?? 0
    if (a !== first || b !== second) classes++
    first = a
    second = b
    nextRank[row] = classes - 1
  }
  return classes
}
