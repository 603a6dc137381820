import { read } from 'node:fs'
import { promisify } from 'node:util'

const READ_BYTES = 65_536
const readAt = promisify(read)

/**
 * The bytes of the open file `fd` from its beginning; the file's own position is not used. `signal` ends it with its reason.
 * (A ReadStream would close the descriptor when it is destroyed, whatever `autoClose` says.)
 */
export async function* readFile(fd: number, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  for (let position = 0; ; ) {
    signal?.throwIfAborted()
    const { buffer, bytesRead } = await readAt(fd, Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** The first `length` bytes of the open file `fd`, or all of them if it is shorter. */
export async function readHead(fd: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await readAt(fd, Buffer.alloc(length), 0, length, 0)
  return buffer.subarray(0, bytesRead)
}
