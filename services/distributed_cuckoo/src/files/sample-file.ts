/** A sample on its way to disk, measured as it goes. */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Sample } from '../store/model.js'

/** Bytes that are written and digested at a time: as many as take less than two milliseconds. */
const PIECE = 2 ** 19

/**
 * Writes all bytes to the file that `handle` has open, and resolves when they are on disk. A piece is digested while it is written
 * and the next one is received. `beforePiece` may reject, which ends the writing.
 *
 * Rejects with what `bytes` or `beforePiece` throws, or with the error of the disk.
 */
export async function writeSample(
  handle: FileHandle,
  bytes: Readable,
  beforePiece: () => Promise<void>,
): Promise<Omit<Sample, 'path'>> {
  const [md5, sha256] = [createHash('md5'), createHash('sha256')]
  let size = 0
  let writing = Promise.resolve()
  for await (const piece of piecesOf(bytes)) {
    await writing
    await beforePiece()
    writing = handle.writeFile(piece)
    // It is heard before the next piece is written, or at the end.
    writing.catch(() => {})
    for (const digest of [md5, sha256]) digest.update(piece)
    size += piece.length
  }
  await writing
  await handle.sync()
  return { size, md5: md5.digest('hex'), sha256: sha256.digest('hex') }
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
