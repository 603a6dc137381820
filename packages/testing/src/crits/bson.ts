// What MongoDB's driver of CRITs (pymongo under Python 2) stores, what it refuses, and how large it becomes.
import { isUtf8 } from 'node:buffer'
import type { Py2Dict, Py2Value } from './py2-literal.js'

/** A stored value. Integers that a JavaScript number cannot hold exactly are bigints. */
export type BsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly BsonValue[]
  | { readonly [key: string]: BsonValue }

/** The driver or the database refuses the value; `key` is set when a key is the reason. */
export class BsonError extends Error {
  readonly code = 'ERR_BSON'
  readonly key: string | undefined
  constructor(message: string, key?: string) {
    super(message)
    this.name = 'BsonError'
    this.key = key
  }
}

const INT64_LIMIT = 1n << 63n

/**
 * Converts a parsed Python 2 literal to what is stored.
 * @throws BsonError for integers beyond 8 bytes, bytes that are not UTF-8, keys that are not text, hold NUL or `.`, or begin with `$`
 */
export function bsonFromPython(value: Py2Value): BsonValue {
  if (Buffer.isBuffer(value)) return utf8(value)
  if (typeof value === 'string') return wellFormed(value)
  if (typeof value === 'bigint') return int64(value)
  if (Array.isArray(value)) return value.map(bsonFromPython)
  if (typeof value !== 'object' || value === null) return value
  return bsonFields(value)
}

/** As `bsonFromPython`, for a dict. */
export function bsonFields(dict: Py2Dict): Readonly<Record<string, BsonValue>> {
  return Object.fromEntries(dict.pairs.map(([key, item]) => [keyText(key), bsonFromPython(item)]))
}

/** Converts a value of `JSON.parse` to what is stored. @throws BsonError as `bsonFromPython` */
export function bsonFromJson(value: unknown): BsonValue {
  if (typeof value === 'string') return wellFormed(value)
  if (typeof value === 'number') return Number.isInteger(value) ? int64(BigInt(value)) : value
  if (Array.isArray(value)) return value.map(bsonFromJson)
  if (typeof value !== 'object' || value === null) return value === true || value === false ? value : null
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [keyText(key), bsonFromJson(item)]))
}

/** Size in bytes of the value alone, without its type byte and its name in the document around it. */
export function bsonSize(value: BsonValue): number {
  if (value === null) return 0
  switch (typeof value) {
    case 'boolean':
      return 1
    case 'number':
      return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 4 : 8
    case 'bigint':
      return 8
    case 'string':
      return 5 + Buffer.byteLength(value)
  }
  let size = 5
  for (const [key, item] of Object.entries(value)) size += 2 + Buffer.byteLength(key) + bsonSize(item)
  return size
}

function int64(value: bigint): number | bigint {
  if (value >= INT64_LIMIT || value < -INT64_LIMIT) throw new BsonError('MongoDB can only handle up to 8-byte ints')
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function utf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new BsonError('strings in documents must be valid UTF-8')
  return bytes.toString()
}

function wellFormed(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new BsonError('strings in documents must be valid UTF-8: a lone surrogate')
  return text
}

function keyText(key: Py2Value): string {
  if (!Buffer.isBuffer(key) && typeof key !== 'string') {
    throw new BsonError('documents must have only string keys')
  }
  const text = Buffer.isBuffer(key) ? utf8(key) : wellFormed(key)
  if (text.includes('\0')) throw new BsonError('Key names must not contain the NULL character', text)
  if (text.includes('.') || text.startsWith('$')) throw new BsonError('keys must not hold "." nor begin with "$"', text)
  return text
}
