/** ZIP archives as CAPE makes them, and the one look into an uploaded one that CAPE takes. */
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'
import { AES_METHOD, aesField, encryptAes } from './aes.js'

const DEFLATED = 8

export interface ZipEntry {
  readonly name: string
  readonly content: Buffer
}

/** An archive with deflated entries (APPNOTE.TXT 4.3), with AES if there is a password. Without entries it has 22 bytes. */
export function zip(entries: readonly ZipEntry[], password?: string): Buffer {
  const locals: Buffer[] = []
  const centrals: Buffer[] = []
  let at = 0
  for (const { name, content } of entries) {
    const deflated = deflateRawSync(content)
    const packed = password === undefined ? deflated : encryptAes(deflated, password)
    const extra = password === undefined ? Buffer.alloc(0) : aesField(DEFLATED)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(password === undefined ? 0 : 1, 2)
    common.writeUInt16LE(password === undefined ? DEFLATED : AES_METHOD, 4)
    common.writeUInt16LE(0x21, 8)
    common.writeUInt32LE(crc32(content), 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(content.length, 18)
    common.writeUInt16LE(Buffer.byteLength(name), 22)
    common.writeUInt16LE(extra.length, 24)
    const place = Buffer.alloc(14)
    place.writeUInt32LE(at, 10)
    const named = Buffer.concat([Buffer.from(name), extra])
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, named, packed])
    locals.push(local)
    centrals.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), common, place, named]))
    at += local.length
  }
  const directory = Buffer.concat(centrals)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...locals, directory, end])
}

/** The members of an archive that is not encrypted; undefined when it is none, or cannot be read. */
export function membersOf(archive: Buffer): ZipEntry[] | undefined {
  if (!archive.subarray(0, 4).equals(Buffer.from('PK\x03\x04'))) return undefined
  const end = archive.lastIndexOf('PK\x05\x06')
  if (end < 0) return undefined
  const entries: ZipEntry[] = []
  let at = archive.readUInt32LE(end + 16)
  for (let left = archive.readUInt16LE(end + 10); left > 0; left -= 1) {
    const flags = archive.readUInt16LE(at + 8)
    if ((flags & 1) === 1) return undefined
    const [packed, nameLength] = [archive.readUInt32LE(at + 20), archive.readUInt16LE(at + 28)]
    const local = archive.readUInt32LE(at + 42)
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28)
    const bytes = archive.subarray(start, start + packed)
    const name = archive.toString('utf8', at + 46, at + 46 + nameLength)
    const content = archive.readUInt16LE(at + 10) === 8 ? inflateRawSync(bytes) : bytes
    if (!name.endsWith('/')) entries.push({ name, content })
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32)
  }
  return entries
}
