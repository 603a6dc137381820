// Entry point of the worker thread that decodes bzip2. The build bundles it into a string: generated/bunzip2-worker.ts.
import { readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { Bzip2Decoder } from './bzip2/decoder.js'
import { type BunzipJob, type BunzipMessage, PIECE_BYTES } from './bzip2/job.js'

function run({ fd, credit }: BunzipJob, send: (message: BunzipMessage, transfer: ArrayBuffer[]) => void): void {
  let position = 0
  const decoder = new Bzip2Decoder(target => {
    const bytes = readSync(fd, target, 0, target.length, position)
    position += bytes
    return bytes
  })
  for (;;) {
    const piece = new Uint8Array(PIECE_BYTES)
    const bytes = decoder.read(piece)
    // Back-pressure: the reader gives one credit back for each piece that it is through with.
    while (Atomics.load(credit, 0) === 0) Atomics.wait(credit, 0, 0)
    Atomics.sub(credit, 0, 1)
    send({ piece: piece.subarray(0, bytes), last: bytes < PIECE_BYTES }, [piece.buffer])
    if (bytes < PIECE_BYTES) return
  }
}

// An error leaves the thread and reaches the reader as the worker's `error` event.
if (parentPort !== null) {
  const port = parentPort
  run(workerData, (message, transfer) => port.postMessage(message, transfer))
}
