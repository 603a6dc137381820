import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

/** How an archive is packed: `gz`, `bz2`, or not at all. */
export type Compression = 'gz' | 'bz2' | 'none'

/** Compresses a stream of bytes, by gzip at its fastest level or by the program `bzip2`, which must be in PATH. */
export async function* compress(source: Pieces, compression: Compression): AsyncGenerator<Buffer> {
  if (compression === 'none') yield* source
  else if (compression === 'bz2') yield* bzip2(source)
  else {
    const input = Readable.from(source)
    const gzip = createGzip({ level: 1 })
    input.on('error', error => gzip.destroy(error))
    yield* input.pipe(gzip) as AsyncIterable<Buffer>
  }
}

/** Reads a stream of bytes into one buffer. For small things only. */
export async function collect(source: Pieces): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

type Pieces = AsyncIterable<Buffer> | Iterable<Buffer>

/** Node has no bzip2, and Cuckoo 1.2 always sends `tar.bz2`. */
async function* bzip2(source: Pieces): AsyncGenerator<Buffer> {
  const program = spawn('bzip2', ['-c'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const fail = (error: Error) => program.stdout.destroy(error)
  program.on('error', fail)
  pipeline(Readable.from(source), program.stdin).catch(fail)
  try {
    yield* program.stdout as AsyncIterable<Buffer>
  } finally {
    program.kill()
  }
}
