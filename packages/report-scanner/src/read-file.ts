import { read } from 'node:fs'
import { promisify } from 'node:util'

const READ_BYTES = 65_536
const readAt = promisify(read)

export interface ReadOptions {
  /** Ends the reading with its reason. */
  readonly signal?: AbortSignal | undefined
  /** A chunk is overwritten when the fifth one after it is asked for. Default false: never. */
  readonly recycle?: boolean
}

/** Chunks that stay as they are while the next one is read. */
const KEPT_CHUNKS = 4

/**
 * The bytes of the open file `fd` from its beginning; the file's own position is not used.
 * (A ReadStream would close the descriptor when it is destroyed, whatever `autoClose` says.)
 */
export async function* readFile(fd: number, options: ReadOptions = {}): AsyncGenerator<Buffer, void, undefined> {
  const { signal, recycle = false } = options
  const used: Buffer[] = []
  for (let position = 0; ; ) {
    signal?.throwIfAborted()
    // V8 lets 32 MB of dead buffers pile up before it looks for them.
    const spare = used.length > KEPT_CHUNKS ? used.shift() : undefined
    const { buffer, bytesRead } = await readAt(fd, spare ?? Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position)
    if (recycle) used.push(buffer)
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
