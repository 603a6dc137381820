/**
 * An archive of files of known sizes as it is made: a tar of plain headers (POSIX.1-1988, ustar), so that each file can be sent again from
 * where it lies in it, without reading those before it.
 */
import type { FileHandle } from 'node:fs/promises'

const BLOCK = 512
/** What eleven octal digits hold. */
const MAX_SIZE = 8 ** 11 - 1

export interface Packed {
  /** At most 100 bytes of ASCII. */
  readonly name: string
  readonly size: number
  readonly chunks: AsyncIterable<Uint8Array>
}

/** A file in the archive: `size` bytes from `offset`. */
export interface Place {
  readonly name: string
  readonly offset: number
  readonly size: number
}

/** @throws RangeError for a file that is too large for such a header. */
export async function* packed(files: AsyncIterable<Packed>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { name, size, chunks } of files) {
    yield header(name, size)
    for await (const chunk of chunks) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    yield Buffer.alloc(padding(size))
  }
  yield Buffer.alloc(2 * BLOCK)
}

/** The files of an archive that `packed` has made; of any other none. */
export async function* placesIn(archive: FileHandle): AsyncGenerator<Place, void, undefined> {
  const block = Buffer.alloc(BLOCK)
  for (let at = 0; ; ) {
    const { bytesRead } = await archive.read(block, 0, BLOCK, at)
    if (bytesRead < BLOCK || block.toString('latin1', 257, 262) !== 'ustar') return
    const [name, size] = [
      block.toString('latin1', 0, 100).replace(/\0.*$/s, ''),
      Number.parseInt(block.toString('latin1', 124, 135), 8),
    ]
    if (!Number.isSafeInteger(size)) return
    yield { name, offset: at + BLOCK, size }
    at += BLOCK + size + padding(size)
  }
}

function header(name: string, size: number): Buffer {
  if (size > MAX_SIZE) throw new RangeError(`${name} has ${size} bytes, ${MAX_SIZE} fit into an archive`)
  const block = Buffer.alloc(BLOCK)
  const put = (offset: number, text: string) => block.write(text, offset, 'latin1')
  put(0, name)
  for (const [offset, value, digits] of [
    [100, 0o600, 7],
    [108, 0, 7],
    [116, 0, 7],
    [124, size, 11],
    [136, 0, 11],
  ] as const) {
    put(offset, value.toString(8).padStart(digits, '0'))
  }
  // The sum is made with blanks in its own place.
  put(148, ' '.repeat(8))
  put(156, '0')
  put(257, 'ustar\0' + '00')
  const sum = block.reduce((all, byte) => all + byte, 0)
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `)
  return block
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK
}
