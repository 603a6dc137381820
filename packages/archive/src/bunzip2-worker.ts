// Entry point of the worker thread that decodes bzip2. The build bundles it into a string: generated/bunzip2-worker.ts.
import { readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { Bzip2Decoder } from './bzip2/decoder.js'
import { type BunzipJob, type BunzipMessage, PIECE_BYTES, PIECES } from './bzip2/job.js'

function run({ fd, credit, ring }: BunzipJob, send: (message: BunzipMessage) => void): void {
  let position = 0
  const decoder = new Bzip2Decoder(target => {
    const bytes = readSync(fd, target, 0, target.length, position)
    position += bytes
    return bytes
  })
  for (let piece = 0; ; piece = (piece + 1) % PIECES) {
    // Back-pressure: the reader gives a credit back for each piece that it has taken.
    while (Atomics.load(credit, 0) === 0) Atomics.wait(credit, 0, 0)
    Atomics.sub(credit, 0, 1)
    const bytes = decoder.read(ring.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES))
    send({ bytes })
    if (bytes < PIECE_BYTES) return
  }
}

// An error leaves the thread and reaches the reader as the worker's `error` event.
if (parentPort !== null) {
  const port = parentPort
  run(workerData, message => port.postMessage(message))
}
