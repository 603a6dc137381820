import { BACKSLASH, QUOTE } from './bytes.js'

/** Bytes that are looked at one by one before a search for the next quote is worth the call. */
const SHORT_STRING = 64

/** Finds the end of one string after the other, each of which may begin in one chunk and end in another. */
export class StringEnd {
  #escaped = false

  /** Begins behind an opening quote, or goes on, at `from`. Returns the position after the closing quote, or -1 if it is not in this chunk. */
  run(chunk: Buffer, from: number): number {
    let pos = from
    let near = from + SHORT_STRING
    while (pos < chunk.length) {
      const byte = chunk[pos++]
      if (this.#escaped) this.#escaped = false
      else if (byte === BACKSLASH) this.#escaped = true
      else if (byte === QUOTE) return pos
      if (pos >= near && !this.#escaped) {
        // On to the next quote, but not past the backslashes that may escape it.
        const quote = chunk.indexOf(QUOTE, pos)
        const stop = quote === -1 ? chunk.length : quote
        near = stop + SHORT_STRING
        let hop = stop
        while (hop > pos && chunk[hop - 1] === BACKSLASH) hop--
        pos = hop
      }
    }
    return -1
  }
}
