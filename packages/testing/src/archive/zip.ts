/** ZIP archives, as Python's zipfile and pyzipper write them. */
import { crc32, deflateRawSync } from 'node:zlib'
import { AES_METHOD, aesField, encryptAes } from './zip-aes.js'

const STORED = 0
const DEFLATED = 8

export interface ZipEntry {
  readonly name: string
  readonly content: Buffer
}

export interface ZipOptions {
  /** Encrypts the entries with AES. */
  readonly password?: string | undefined
  /** Default false: entries are deflated. */
  readonly stored?: boolean
}

/** An archive (APPNOTE.TXT 4.3). Without entries it has 22 bytes. */
export function zip(entries: readonly ZipEntry[], { password, stored = false }: ZipOptions = {}): Buffer {
  const method = stored ? STORED : DEFLATED
  const locals: Buffer[] = []
  const centrals: Buffer[] = []
  let at = 0
  for (const { name, content } of entries) {
    const bytes = stored ? content : deflateRawSync(content)
    const packed = password === undefined ? bytes : encryptAes(bytes, password)
    const extra = password === undefined ? Buffer.alloc(0) : aesField(method)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(password === undefined ? 0 : 1, 2)
    common.writeUInt16LE(password === undefined ? method : AES_METHOD, 4)
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
