// Decodes a bzip2 file in a thread of its own: a block takes some 40 ms, too long for the event loop.
import { on } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type BunzipJob, type BunzipMessage, PIECE_BYTES, PIECES } from './bzip2/job.js'
import { bunzip2Worker } from './generated/bunzip2-worker.js'

const isMessage = (value: unknown): value is BunzipMessage =>
  typeof value === 'object' && value !== null && 'bytes' in value && typeof value.bytes === 'number'

/** Pieces that stay as they are behind the one that was given out last. */
const KEPT_PIECES = 4

/**
 * The decoded bytes of the open file `fd`. At most half a megabyte is decoded ahead of the reader, beside the 5 MB that the decoder needs.
 * A piece is overwritten when the fourth one after it has been asked for.
 * The file must stay open until the iteration has ended; it ends only when the thread is gone.
 * @throws an error whose message begins with `bzip2:` for damaged input, file system errors, the reason of `signal`
 */
export async function* bunzip2(fd: number, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, undefined> {
  signal?.throwIfAborted()
  const credit = new Int32Array(new SharedArrayBuffer(4)).fill(PIECES)
  const ring = new Uint8Array(new SharedArrayBuffer(PIECES * PIECE_BYTES))
  const job: BunzipJob = { fd, credit, ring }
  const worker = new Worker(bunzip2Worker, {
    eval: true,
    workerData: job,
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  })
  try {
    const events = on(worker, 'message', { close: ['exit'], ...(signal && { signal }) })
    let at = 0
    let given = 0
    for await (const [message] of events) {
      if (!isMessage(message)) throw new TypeError('the bzip2 thread sent something unknown')
      // No copies: V8 lets 32 MB of dead buffers pile up before it looks for them.
      const piece = Buffer.from(ring.buffer, at, message.bytes)
      at = (at + PIECE_BYTES) % ring.length
      if (++given > KEPT_PIECES) {
        Atomics.add(credit, 0, 1)
        Atomics.notify(credit, 0)
      }
      if (piece.length > 0) yield piece
      if (piece.length < PIECE_BYTES) return
    }
    throw new Error('bzip2: the thread ended before the file did')
  } catch (error: unknown) {
    signal?.throwIfAborted()
    throw error
  } finally {
    await worker.terminate()
  }
}
