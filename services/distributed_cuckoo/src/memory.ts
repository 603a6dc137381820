/** What keeps the process small while reports of a gigabyte pass through it. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Of chunks that are not needed any more. V8 would look for them after 32 MB, and after each report anew. */
const COLLECT_BYTES = 4 * 2 ** 20

/** The chunks as they are, of which at most a few megabytes are in memory at a time, in use or not. */
export async function* sparingly(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let collect: Collect | undefined
  let bytes = 0
  for await (const chunk of chunks) {
    yield chunk
    bytes += chunk.length
    if (bytes < COLLECT_BYTES) continue
    collect ??= collector()
    collect({ type: 'minor' })
    bytes = 0
  }
}

type Collect = (options: { readonly type: 'minor' }) => void

/** V8's own collector, which it shows to contexts that are made after it was told to (nodejs/node:doc/api/v8.md). */
function collector(): Collect {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new TypeError('V8 shows no collector')
  return options => collect(options)
}
