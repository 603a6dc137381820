/** A sample on its way to disk, measured as it goes. */
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { type DigestThread, digestsOf, type GrowingFile } from './digests.js'
import type { Sample } from './store/model.js'

/** Bytes that are written at a time. A sample that fits into one piece is digested where it is. */
const PIECE = 2 ** 19

/**
 * Writes all bytes to the file at `path`, which `handle` has open, and resolves when they are on disk. The next piece is received while
 * one is written, and the pieces before are digested. Rejects with what `bytes` throws or with the error of the disk.
 */
export async function writeSample(
  handle: FileHandle,
  path: string,
  bytes: Readable,
  thread: DigestThread,
): Promise<Omit<Sample, 'path'>> {
  let size = 0
  let last: Buffer = Buffer.alloc(0)
  let writing = Promise.resolve()
  let growing: GrowingFile | undefined
  try {
    for await (const piece of piecesOf(bytes)) {
      await writing
      if (size > 0) growing ??= thread.begin(path)
      growing?.grown(size)
      writing = handle.writeFile(piece)
      // It is heard before the next piece is written, or at the end.
      writing.catch(() => {})
      size += piece.length
      last = piece
    }
    await writing
    const [digests] = await Promise.all([growing?.end(size) ?? digestsOf(last), handle.sync()])
    return { size, ...digests }
  } catch (error: unknown) {
    growing?.drop()
    throw error
  }
}

async function* piecesOf(bytes: Readable): AsyncGenerator<Buffer, void, undefined> {
  let chunks: Buffer[] = []
  let length = 0
  for await (const chunk of bytes) {
    if (length > 0 && length + chunk.length > PIECE) {
      yield Buffer.concat(chunks)
      chunks = []
      length = 0
    }
    chunks.push(chunk)
    length += chunk.length
  }
  if (length > 0) yield Buffer.concat(chunks)
}
