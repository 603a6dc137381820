// Zip archives of any kind of member, written as nobody should.
import { crc32, deflateRawSync } from 'node:zlib'

/** One member of an archive, as it is written. */
export interface ZipMember {
  readonly name: Buffer
  readonly content: Buffer
  /** 0 stored, 8 deflated (default); others are written as if they were stored. */
  readonly method?: number | undefined
  /** What the directory says in place of the content's length, checksum and place. */
  readonly size?: number | undefined
  readonly crc?: number | undefined
  readonly offset?: number | undefined
  /** Bit 0: encrypted, bit 6: in a way of PKWARE's, bit 11: the name is UTF-8. */
  readonly flags?: number | undefined
  /** Unix file type and mode, e.g. 0o120777 for a symbolic link. Default: a regular file. */
  readonly mode?: number | undefined
}

/** An archive with its directory. `end` replaces fields of the last record: number of files, bytes and place of the directory. */
export function hostileZip(
  members: readonly ZipMember[],
  end: { readonly files?: number; readonly bytes?: number; readonly offset?: number } = {},
): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const member of members) {
    const data = member.method === undefined || member.method === 8 ? deflateRawSync(member.content) : member.content
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), commonHeader(member, data.length), member.name])
    const central = Buffer.concat([
      Buffer.from('PK\x01\x02\x14\x03'),
      commonHeader(member, data.length),
      Buffer.alloc(10),
      Buffer.alloc(4),
      member.name,
    ])
    central.writeUInt32LE(((member.mode ?? 0o100644) << 16) >>> 0, 38)
    central.writeUInt32LE(member.offset ?? at, 42)
    parts.push(local, data)
    directory.push(central)
    at += local.length + data.length
  }
  const central = Buffer.concat(directory)
  return Buffer.concat([...parts, central, endRecord(members.length, central.length, at, end)])
}

function commonHeader({ name, content, method = 8, size, crc, flags = 0 }: ZipMember, stored: number): Buffer {
  const header = Buffer.alloc(26)
  header.writeUInt16LE(20, 0)
  header.writeUInt16LE(flags, 2)
  header.writeUInt16LE(method, 4)
  header.writeUInt32LE(0x21, 6)
  header.writeUInt32LE(crc ?? crc32(content), 10)
  header.writeUInt32LE(stored, 14)
  header.writeUInt32LE(size ?? content.length, 18)
  header.writeUInt16LE(name.length, 22)
  return header
}

function endRecord(
  count: number,
  length: number,
  at: number,
  { files = count, bytes = length, offset = at }: { files?: number; bytes?: number; offset?: number },
): Buffer {
  const record = Buffer.alloc(22)
  record.write('PK\x05\x06')
  record.writeUInt16LE(files, 8)
  record.writeUInt16LE(files, 10)
  record.writeUInt32LE(bytes, 12)
  record.writeUInt32LE(offset, 16)
  return record
}
