/** WinZip's encryption of a ZIP entry as CAPE uses it: AES-256, AE-1 (the checksum of the content stays in its place). */
import { createCipheriv, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

/** What the entry calls itself instead of its method. */
export const AES_METHOD = 99

const SALT = 16
const KEY = 32
const BLOCK = 16

/** Salt, check of the password, encrypted bytes, authentication code. */
export function encryptAes(plain: Buffer, password: string): Buffer {
  const salt = randomBytes(SALT)
  const keys = pbkdf2Sync(password, salt, 1000, 2 * KEY + 2, 'sha1')
  // Counter mode with a little-endian counter from 1, which Node has not.
  const cipher = createCipheriv('aes-256-ecb', keys.subarray(0, KEY), null).setAutoPadding(false)
  const counters = Buffer.alloc(Math.ceil(plain.length / BLOCK) * BLOCK)
  for (let block = 0; block * BLOCK < counters.length; block += 1) counters.writeUInt32LE(block + 1, block * BLOCK)
  const stream = cipher.update(counters)
  const encrypted = Buffer.from(plain.map((byte, at) => byte ^ (stream[at] ?? 0)))
  const code = createHmac('sha1', keys.subarray(KEY, 2 * KEY))
    .update(encrypted)
    .digest()
  return Buffer.concat([salt, keys.subarray(2 * KEY), encrypted, code.subarray(0, 10)])
}

/** The extra field: version 1, vendor AE, strength 3 (256 bit), and the method that is really used. */
export function aesField(method: number): Buffer {
  const field = Buffer.from([0x01, 0x99, 7, 0, 1, 0, 0x41, 0x45, 3, 0, 0])
  field.writeUInt16LE(method, 9)
  return field
}
