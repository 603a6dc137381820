// Tar archives of any kind of member, written as nobody should.
const BLOCK = 512

/** One member of an archive, as it is written. */
export interface Member {
  /** Type flag: `0` file, `7` contiguous file, `1` hard link, `2` symbolic link, `5` directory, `x` pax header, `S` sparse, … */
  readonly type: string
  readonly name: Buffer
  readonly content: Buffer
  /** What the header says in place of the content's length. */
  readonly size?: number | undefined
  readonly linkName?: string | undefined
}

/** An archive with its end. */
export function hostileTar(members: readonly Member[]): Buffer {
  return Buffer.concat([
    ...members.flatMap(member => [header(member), padded(member.content)]),
    Buffer.alloc(2 * BLOCK),
  ])
}

/** A pax header that names the member after it. */
export function paxName(path: Buffer): Member {
  const rest = Buffer.concat([Buffer.from(' path='), path, Buffer.from('\n')])
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length += 1
  return { type: 'x', name: Buffer.from('PaxHeader'), content: Buffer.concat([Buffer.from(String(length)), rest]) }
}

/** GNU's header that names the member after it. */
export function longName(path: Buffer): Member {
  return { type: 'L', name: Buffer.from('././@LongLink'), content: Buffer.concat([path, Buffer.alloc(1)]) }
}

function header({ type, name, content, size = content.length, linkName = '' }: Member): Buffer {
  const block = Buffer.alloc(BLOCK)
  name.copy(block, 0, 0, 100)
  block.write('0000644\x000000000\x000000000\0', 100)
  block.write(`${size.toString(8).padStart(11, '0')}\x0013000000000\0        `, 124)
  block.write(type, 156)
  block.write(linkName, 157, 100)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)])
}
