import { fstat, read } from 'node:fs'
import { promisify } from 'node:util'

const READ_BYTES = 65_536
const readInto = promisify(read)
const stat = promisify(fstat)

/**
 * The bytes of the open file `fd` from its beginning; the file's own position is not used. `signal` ends it with its reason.
 * (A ReadStream would close the descriptor when it is destroyed, whatever `autoClose` says.)
 */
export async function* readFile(fd: number, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  for (let position = 0; ; ) {
    signal?.throwIfAborted()
    const { buffer, bytesRead } = await readInto(fd, Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** The first `length` bytes of the open file `fd`, or all of them if it is shorter. */
export function readHead(fd: number, length: number): Promise<Buffer<ArrayBuffer>> {
  return readAt(fd, 0, length)
}

/** `length` bytes of the open file `fd` from `position` on, or as many as there are. */
export async function readAt(fd: number, position: number, length: number): Promise<Buffer<ArrayBuffer>> {
  const bytes = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await readInto(fd, bytes, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

/** Bytes of the open file `fd`. */
export async function sizeOf(fd: number): Promise<number> {
  return (await stat(fd)).size
}
