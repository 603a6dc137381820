// Finds out whether what the tar parser cannot read lies behind the end of the archive. The parser itself reads on behind it.
import type { Header } from 'tar-stream'

const BLOCK = 512
const ZEROS = Buffer.alloc(BLOCK)

/** Knows of the bytes that go into the parser, which may be some chunks behind. */
export class EndOfTar {
  /** Where the last entry ends that the parser has met. */
  #entryEnd = 0
  /** Where blocks of zeros lie behind that. */
  #zeroBlocks: number[] = []
  #offset = 0
  /** The beginning of a block whose rest is in the next chunk. */
  #begun: Buffer = Buffer.alloc(0)

  /** A block of zeros follows the last entry: that is the end. */
  get isReached(): boolean {
    return this.#zeroBlocks.includes(this.#entryEnd)
  }

  onEntry(header: Header): void {
    const begin = 'byteOffset' in header && typeof header.byteOffset === 'number' ? header.byteOffset : 0
    const size = header.type === 'directory' ? 0 : header.size
    this.#entryEnd = begin + Math.ceil(size / BLOCK) * BLOCK
    this.#zeroBlocks = this.#zeroBlocks.filter(block => block >= this.#entryEnd)
  }

  onChunk(chunk: Buffer): void {
    const bytes = this.#begun.length === 0 ? chunk : Buffer.concat([this.#begun, chunk])
    let at = 0
    for (; at + BLOCK <= bytes.length; at += BLOCK) {
      const isBehind = this.#offset + at >= this.#entryEnd
      if (isBehind && bytes[at] === 0 && ZEROS.equals(bytes.subarray(at, at + BLOCK))) {
        this.#zeroBlocks.push(this.#offset + at)
      }
    }
    this.#offset += at
    this.#begun = Buffer.from(bytes.subarray(at))
  }
}
