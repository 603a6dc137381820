// One large string taken out of a document that is at hand, so that what is left can be parsed.
import { JsonError } from './error.js'
import { JsonReader } from './reader.js'
import type { Node, ObjectNode } from './schema.js'

/**
 * The document without the text of the string at `path` (keys of objects in each other), and that text: a part of the
 * document's own memory, escapes as they are. A document that cannot be read so, that is broken or has a key of the path
 * twice, comes back whole and without `value`; parsing all of it tells what is wrong, or takes the last of two.
 */
export function cutString(
  document: Buffer,
  path: readonly string[],
): { readonly rest: Buffer; readonly value?: Buffer } {
  let start: number | undefined
  let end: number | undefined
  const text: Node = {
    bytes(piece, at, isLast) {
      start ??= at
      if (isLast) end = at + piece.length
    },
  }
  try {
    new JsonReader(objectWith(path, text)).push(document)
  } catch (error: unknown) {
    if (!(error instanceof JsonError)) throw error
    return { rest: document }
  }
  if (start === undefined || end === undefined) return { rest: document }
  return {
    rest: Buffer.concat([document.subarray(0, start), document.subarray(end)]),
    value: document.subarray(start, end),
  }
}

function objectWith([key = '', ...rest]: readonly string[], leaf: Node): ObjectNode {
  return { fields: new Map([[key, rest.length === 0 ? leaf : { object: objectWith(rest, leaf) }]]) }
}
