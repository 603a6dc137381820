import { execFileSync } from 'node:child_process'
import { extract } from 'tar-stream'
import { collect } from '../src/archive/index.js'

/** One stream of bzip2, unpacked. */
export function bunzip2(packed: Buffer): Buffer {
  return execFileSync('bzip2', ['-dc'], { input: packed })
}

/** Members of a tar archive; names keep every byte as one character. */
export async function members(archive: Buffer): Promise<{ name: string; type: string; content: Buffer }[]> {
  // The type of the options lacks what the library documents: file names in latin1 keep every byte.
  const options: object = { filenameEncoding: 'latin1' }
  const reader = extract(options)
  reader.end(archive)
  const found = []
  for await (const entry of reader) {
    const content = await collect(entry as AsyncIterable<Buffer>)
    found.push({ name: entry.header.name, type: entry.header.type ?? '', content })
    entry.resume()
  }
  return found
}
