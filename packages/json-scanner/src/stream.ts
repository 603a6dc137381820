// Documents that come in chunks, as an iteration over what is wanted of them.
import { JsonError } from './error.js'
import { JsonReader, type ReaderOptions } from './reader.js'
import type { ObjectNode } from './schema.js'

/**
 * Reads a document and yields what the nodes of `schema` hand to `emit`, chunk by chunk. The document is checked at its end: what
 * was yielded counts once the iteration has finished.
 *
 * @throws {JsonError} also when something follows the document
 */
export async function* readJson<T>(
  chunks: AsyncIterable<Buffer>,
  schema: (emit: (item: T) => void) => ObjectNode,
  options: ReaderOptions = {},
): AsyncGenerator<T, void, undefined> {
  const items: T[] = []
  const reader = new JsonReader(
    schema(item => items.push(item)),
    options,
  )
  for await (const chunk of chunks) {
    reader.push(chunk)
    yield* items.splice(0)
  }
  reader.end()
  if (reader.trailingBytes === 0) return
  throw new JsonError('syntax', reader.bytes - reader.trailingBytes, 'nothing more expected', options.document)
}
