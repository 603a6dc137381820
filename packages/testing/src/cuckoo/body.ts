/** Bodies that are served as streams although their length is sent first. */

import { randomUUID } from 'node:crypto'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Bytes that can be read any number of times. */
export interface Body {
  /** Exact length, sent as Content-Length. */
  readonly bytes: number
  stream(): AsyncIterable<Buffer>
}

/** A body that lies in an unlinked temporary file; `close` frees the space. */
export interface SpooledBody extends Body, AsyncDisposable {
  close(): Promise<void>
}

const READ_SIZE = 256 * 1024

/** Bytes or text in memory as a body; text is sent as UTF-8. */
export function memoryBody(content: Buffer | string): Body {
  const buffer = Buffer.from(content)
  return {
    bytes: buffer.length,
    stream: async function* () {
      yield buffer
    },
  }
}

/**
 * Writes `source` to an unlinked file in the system's temporary directory, so that a generated report or archive of
 * any size has a known length and can be served often. Rejects with the error of `source` or of the file system.
 */
export async function spool(source: AsyncIterable<Buffer>): Promise<SpooledBody> {
  const path = join(tmpdir(), `stand-in-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  let bytes = 0
  try {
    await unlink(path)
    for await (const chunk of source) {
      await file.write(chunk, 0, chunk.length, bytes)
      bytes += chunk.length
    }
  } catch (error: unknown) {
    await file.close()
    throw error
  }
  const stream = async function* () {
    for (let at = 0; at < bytes; ) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_SIZE), 0, READ_SIZE, at)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }
  const close = (): Promise<void> => file.close()
  return { bytes, stream, close, [Symbol.asyncDispose]: close }
}
