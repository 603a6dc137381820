/** The one look into an uploaded archive that CAPE takes. */
import { inflateRawSync } from 'node:zlib'
import type { ZipEntry } from '../archive/zip.js'

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
