/** An append-only list of encoded rows in a few large buffers: no object per row, nothing copied while it grows. */

const FIRST_SEGMENT_BYTES = 8 * 1024
const SEGMENT_BYTES_MAX = 256 * 1024

interface RowPlace {
  readonly segment: Buffer
  readonly start: number
}

export class RowLog {
  #segments: Buffer[] = []
  #used = 0
  #storedBytes = 0
  // One entry per row in each; parallel lists of numbers take a fifth of the memory of objects.
  #segmentOf: number[] = []
  #start: number[] = []
  #split: number[] = []
  #end: number[] = []
  #stored: number[] = []

  get length(): number {
    return this.#end.length
  }

  /** Sum of the `storedBytes` of all rows. */
  get storedBytes(): number {
    return this.#storedBytes
  }

  append(result: string, literal: string, storedBytes: number): void {
    const { segment, start } = this.#reserve(Buffer.byteLength(result) + Buffer.byteLength(literal))
    const split = start + segment.write(result, start)
    const end = split + segment.write(literal, split)
    this.#segmentOf.push(this.#segments.length - 1)
    this.#start.push(start)
    this.#split.push(split)
    this.#end.push(end)
    this.#stored.push(storedBytes)
    this.#used = end
    this.#storedBytes += storedBytes
  }

  /** Views of the row's bytes; they stay valid until `pop`. */
  at(index: number): { result: Buffer; literal: Buffer } {
    const segment = this.#segments[this.#segmentOf[index] ?? -1]
    const split = this.#split[index]
    if (!segment || split === undefined) throw new RangeError(`row ${index} of ${this.length}`)
    return {
      result: segment.subarray(this.#start[index], split),
      literal: segment.subarray(split, this.#end[index]),
    }
  }

  /** Removes the last row. @returns its `storedBytes`, 0 if there was none */
  pop(): number {
    const segment = this.#segmentOf.pop()
    if (segment === undefined) return 0
    this.#segments.length = segment + 1
    this.#used = this.#start.pop() ?? 0
    this.#split.pop()
    this.#end.pop()
    const storedBytes = this.#stored.pop() ?? 0
    this.#storedBytes -= storedBytes
    return storedBytes
  }

  #reserve(bytes: number): RowPlace {
    const last = this.#segments.at(-1)
    if (last && this.#used + bytes <= last.length) return { segment: last, start: this.#used }
    const usual = Math.min(SEGMENT_BYTES_MAX, last ? last.length * 2 : FIRST_SEGMENT_BYTES)
    const segment = Buffer.allocUnsafeSlow(Math.max(usual, bytes))
    this.#segments.push(segment)
    return { segment, start: 0 }
  }
}
