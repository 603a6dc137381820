/** What Cuckoo knows of a submitted or dropped file: its hashes, its size and the beginning of its content. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** How much of a submitted file is kept; the rest is only hashed. */
const KEPT_BYTES = 1024 * 1024

export interface SampleFacts {
  readonly md5: string
  readonly sha1: string
  readonly sha256: string
  readonly sha512: string
  /** Eight upper-case hexadecimal digits. */
  readonly crc32: string
  readonly size: number
  /** What libmagic would say, roughly. */
  readonly type: string
  /** The first MiB at most; the whole file when `size` is not larger. */
  readonly head: Buffer
}

/** Reads a file to its end, in constant memory. */
export async function readSample(source: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<SampleFacts> {
  const hashes = ['md5', 'sha1', 'sha256', 'sha512'].map(algorithm => createHash(algorithm))
  const kept: Buffer[] = []
  let size = 0
  let crc = 0
  for await (const chunk of source) {
    for (const hash of hashes) hash.update(chunk)
    crc = crc32(chunk, crc)
    // A copy: a slice would keep the connection's whole buffer alive.
    if (size < KEPT_BYTES) kept.push(Buffer.from(chunk.subarray(0, KEPT_BYTES - size)))
    size += chunk.length
  }
  const [md5 = '', sha1 = '', sha256 = '', sha512 = ''] = hashes.map(hash => hash.digest('hex'))
  const head = Buffer.concat(kept)
  const digits = crc.toString(16).toUpperCase().padStart(8, '0')
  return { md5, sha1, sha256, sha512, crc32: digits, size, type: fileType(head), head }
}

/** The same for bytes in memory. */
export function sampleFacts(content: Buffer): SampleFacts {
  const digest = (algorithm: string): string => createHash(algorithm).update(content).digest('hex')
  return {
    md5: digest('md5'),
    sha1: digest('sha1'),
    sha256: digest('sha256'),
    sha512: digest('sha512'),
    crc32: crc32(content).toString(16).toUpperCase().padStart(8, '0'),
    size: content.length,
    type: fileType(content),
    head: content.subarray(0, KEPT_BYTES),
  }
}

function fileType(head: Buffer): string {
  if (head.length === 0) return 'empty'
  if (head.toString('latin1', 0, 2) === 'MZ') return 'MS-DOS executable'
  const text = head.subarray(0, 4096).every(byte => byte >= 32 || (byte >= 9 && byte <= 13))
  return text ? 'ASCII text, with no line terminators' : 'data'
}

/** The distinct printable ASCII strings of at least `minimum` characters, as Cuckoo's strings module finds them. */
export function printableStrings(content: Buffer, minimum = 4, limit = 500): string[] {
  const found = new Set<string>()
  for (const [text] of content.toString('latin1').matchAll(new RegExp(`[\\x20-\\x7e]{${minimum},200}`, 'g'))) {
    found.add(text)
    if (found.size === limit) break
  }
  return [...found]
}
