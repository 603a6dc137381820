// Schemas described by data, what a reader finds by them, and what JSON.parse finds: the oracle.
import { JsonError, JsonReader, type Node, type ObjectNode, type ReaderOptions } from '../src/index.js'
import { MAX_DEPTH } from '../src/value.js'

/** What is wanted of a value: all of it, nothing, a string as bytes, or parts of an object or a list. */
export type Wanted = 'all' | 'nothing' | 'bytes' | { readonly fields: Fields } | { readonly items: Wanted }
export type Fields = Readonly<Record<string, Wanted>>
type Found = Record<string, unknown>
type Put = (value: unknown) => void

export interface ReadOptions extends ReaderOptions {
  readonly cuts?: readonly number[]
  readonly isChecked?: boolean
}

const CHECK: Node = { scalar: () => undefined, container: () => undefined }

/** Reads a document in pieces that end at `cuts`; each piece is overwritten once it was read. `isChecked`: what nobody wants must be JSON, too. */
export function read(
  document: string | Buffer,
  fields: Fields,
  { cuts = [], isChecked = false, ...limits }: ReadOptions = {},
) {
  const found: Found = {}
  const root = objectNode(fields, () => found)
  const reader = new JsonReader(isChecked ? { ...root, others: CHECK } : root, limits)
  const bytes = Buffer.from(document)
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    const piece = Buffer.from(bytes.subarray(from, to))
    reader.push(piece)
    piece.fill('"')
    from = to
  }
  reader.end()
  return { found, trailing: reader.trailingBytes, cut: reader.cuts }
}

/** The same, or the code of the refusal and its place. */
export function outcome(...args: Parameters<typeof read>): ReturnType<typeof read> | { code: string; offset: number } {
  try {
    return read(...args)
  } catch (error: unknown) {
    if (!(error instanceof JsonError)) throw error
    return { code: error.code, offset: error.offset }
  }
}

function objectNode(fields: Fields, into: () => Found): ObjectNode {
  const put = (key: string) => (value: unknown) => Object.defineProperty(into(), key, { value, enumerable: true })
  return { fields: new Map(Object.entries(fields).map(([key, wanted]) => [key, node(wanted, put(key))])) }
}

function node(wanted: Wanted, put: Put): Node {
  if (wanted === 'nothing') return {}
  if (wanted === 'all') return { scalar: put, container: put, unreadable: ({ code }) => put(code) }
  if (wanted === 'bytes') return bytesNode(put)
  if ('items' in wanted) {
    let list: unknown[] = []
    const open = () => {
      list = []
      put(list)
    }
    return { array: { open, item: node(wanted.items, value => list.push(value)) } }
  }
  let into: Found = {}
  const open = () => {
    into = {}
    put(into)
  }
  return { object: { ...objectNode(wanted.fields, () => into), open } }
}

function bytesNode(put: Put): Node {
  const pieces: Buffer[] = []
  return {
    bytes(piece, _at, isLast) {
      pieces.push(Buffer.from(piece))
      if (isLast) put(decoded(Buffer.concat(pieces.splice(0)).toString()))
    },
  }
}

function decoded(text: string): string {
  try {
    return String(JSON.parse(`"${text}"`))
  } catch {
    return text // the document is not JSON
  }
}

/** What `read` should find in a parsed document. */
export function expected(value: unknown, wanted: Wanted): unknown {
  if (wanted === 'all') return depthOf(value) > MAX_DEPTH ? 'too-deep' : value
  if (wanted === 'bytes') return typeof value === 'string' ? value : undefined
  if (wanted === 'nothing' || typeof value !== 'object' || value === null) return undefined
  if ('items' in wanted) {
    if (!Array.isArray(value)) return undefined
    return value.map((item: unknown) => expected(item, wanted.items)).filter(item => item !== undefined)
  }
  if (Array.isArray(value)) return undefined
  const parts = Object.entries(wanted.fields).map(([key, part]): [string, unknown] => [
    key,
    Object.hasOwn(value, key) ? expected(Reflect.get(value, key), part) : undefined,
  ])
  return Object.fromEntries(parts.filter(([, part]) => part !== undefined))
}

function depthOf(value: unknown): number {
  let depth = 0
  let level: unknown[] = [value]
  for (;;) {
    level = level.filter(item => typeof item === 'object' && item !== null).flatMap(item => Object.values(Object(item)))
    if (level.length === 0) return depth + (typeof value === 'object' && value !== null ? 1 : 0)
    depth += 1
  }
}
