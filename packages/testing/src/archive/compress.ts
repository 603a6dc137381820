import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { bzip2 } from './bzip2.js'

/** How an archive is packed: `gz`, `bz2`, or not at all. */
export type Compression = 'gz' | 'bz2' | 'none'

/** Compresses a stream of bytes. gzip uses its fastest level; bzip2 manages about 3 MB/s. */
export async function* compress(source: AsyncIterable<Buffer>, compression: Compression): AsyncGenerator<Buffer> {
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
export async function collect(source: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}
