/** GNU tar as Python 2 writes it (`cuckoosandbox/cuckoo:utils/api.py`): raw bytes as names, LongLink for long ones. */
const BLOCK = 512
/** Archives are padded to a multiple of this, as Python's tarfile does. */
const RECORD = 20 * BLOCK

/** One member. A name that ends in `/` is a directory and has no content. */
export interface TarEntry {
  /** Path inside the archive. A string is stored as UTF-8, bytes are stored as they are. */
  readonly name: string | Buffer
  /** Content; a stream needs its exact length in `size`. */
  readonly content?: Buffer | AsyncIterable<Buffer>
  /** Bytes of `content`; default its length. Must be given for streams. */
  readonly size?: number
}

/**
 * Writes a tar archive, member by member, in constant memory.
 * @throws RangeError when a streamed content is not as long as its `size`
 */
export async function* tar(entries: AsyncIterable<TarEntry> | Iterable<TarEntry>): AsyncGenerator<Buffer> {
  let written = 0
  for await (const entry of entries) {
    const size = sizeOf(entry)
    const head = tarHeader(entry.name, size)
    yield head
    for await (const chunk of contentOf(entry, size)) yield chunk
    const fill = padding(size, BLOCK)
    if (fill > 0) yield Buffer.alloc(fill)
    written += head.length + size + fill
  }
  yield Buffer.alloc(2 * BLOCK + padding(written + 2 * BLOCK, RECORD))
}

/** The header block of one member, preceded by a LongLink member when the name needs more than 100 bytes. */
export function tarHeader(name: string | Buffer, size: number): Buffer {
  const path = typeof name === 'string' ? Buffer.from(name) : name
  const type = path.at(-1) === 0x2f ? '5' : '0'
  const header = headerBlock(path.subarray(0, 100), size, type)
  if (path.length <= 100) return header
  const long = Buffer.alloc(path.length + 1 + padding(path.length + 1, BLOCK))
  path.copy(long)
  return Buffer.concat([headerBlock(Buffer.from('././@LongLink'), path.length + 1, 'L'), long, header])
}

const MODES = { 0: '0000644', 5: '0000755', L: '0000000' } as const

function headerBlock(name: Buffer, size: number, type: '0' | '5' | 'L'): Buffer {
  const block = Buffer.alloc(BLOCK)
  name.copy(block)
  block.write(MODES[type], 100)
  block.write('0000000', 108)
  block.write('0000000', 116)
  block.write(size.toString(8).padStart(11, '0'), 124)
  block.write('13000000000', 136)
  block.write('        ', 148)
  block.write(type, 156)
  block.write('ustar  \0', 257, 'latin1')
  if (type !== 'L') {
    block.write('root', 265)
    block.write('root', 297)
  }
  block.write('0000000', 329)
  block.write('0000000', 337)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

function sizeOf(entry: TarEntry): number {
  if (entry.size !== undefined) return entry.size
  if (entry.content === undefined) return 0
  if (Buffer.isBuffer(entry.content)) return entry.content.length
  throw new RangeError(`tar member ${entry.name.toString()}: a streamed content needs its size`)
}

async function* contentOf(entry: TarEntry, size: number): AsyncGenerator<Buffer> {
  const content = entry.content ?? Buffer.alloc(0)
  let seen = 0
  for await (const chunk of Buffer.isBuffer(content) ? [content] : content) {
    seen += chunk.length
    if (seen > size) break
    if (chunk.length > 0) yield chunk
  }
  if (seen !== size) throw new RangeError(`tar member ${entry.name.toString()}: got ${seen} bytes, size says ${size}`)
}

/** Bytes missing to the next multiple of `unit`. */
function padding(length: number, unit: number): number {
  return (unit - (length % unit)) % unit
}
