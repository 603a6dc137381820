// A ZIP with one stored entry under traditional PKWARE encryption (APPNOTE.TXT, 6.1), as Info-ZIP writes it for CRITs.
import { randomBytes } from 'node:crypto'

const CHUNK = 256 * 1024

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc >>> 0
})

function crcStep(crc: number, byte: number): number {
  return ((CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)) >>> 0
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = crcStep(crc, byte)
  return (crc ^ 0xffffffff) >>> 0
}

class ZipCrypto {
  #key0 = 0x12345678
  #key1 = 0x23456789
  #key2 = 0x34567890

  constructor(password: string) {
    for (const byte of Buffer.from(password)) this.#update(byte)
  }

  #update(byte: number): void {
    this.#key0 = crcStep(this.#key0, byte)
    this.#key1 = (Math.imul(this.#key1 + (this.#key0 & 0xff), 134775813) + 1) >>> 0
    this.#key2 = crcStep(this.#key2, this.#key1 >>> 24)
  }

  encrypt(plain: Buffer): Buffer {
    const out = Buffer.allocUnsafe(plain.length)
    plain.forEach((byte, at) => {
      const mix = (this.#key2 | 2) & 0xffff
      out[at] = byte ^ ((Math.imul(mix, mix ^ 1) >>> 8) & 0xff)
      this.#update(byte)
    })
    return out
  }
}

/** The bytes of the archive and their number; they are made while they are read. */
export function encryptedZip(
  name: string,
  content: Buffer,
  password: string,
): { length: number; body: AsyncIterable<Buffer> } {
  const crc = crc32(content)
  const stored = content.length + 12
  const common = Buffer.alloc(26)
  common.writeUInt16LE(10, 0)
  // Bit 0: encrypted.
  common.writeUInt16LE(1, 2)
  // 1 January 1980, the earliest date there is.
  common.writeUInt16LE(0x21, 8)
  common.writeUInt32LE(crc, 10)
  common.writeUInt32LE(stored, 14)
  common.writeUInt32LE(content.length, 18)
  common.writeUInt16LE(Buffer.byteLength(name), 22)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name)])
  const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), common, Buffer.alloc(14), Buffer.from(name)])
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(local.length + stored, 16)
  async function* body(): AsyncGenerator<Buffer> {
    yield local
    const crypto = new ZipCrypto(password)
    // The last of the twelve random bytes lets a reader check the password.
    yield crypto.encrypt(Buffer.concat([randomBytes(11), Buffer.from([crc >>> 24])]))
    for (let at = 0; at < content.length; at += CHUNK) yield crypto.encrypt(content.subarray(at, at + CHUNK))
    yield Buffer.concat([central, end])
  }
  return { length: local.length + stored + central.length + end.length, body: body() }
}
