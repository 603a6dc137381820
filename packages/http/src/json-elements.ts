/** Reads a long JSON list element by element. */
import { JsonError, type Node, readJson } from '@cuckoo-distributed/json-scanner'

export interface ElementOptions {
  /** Bytes that an element may have. */
  readonly elementLimit: number
  /**
   * Called for each element that cannot be used: no object, broken, too large, or nested too deep. Without it, such an
   * element is an error.
   */
  readonly onUnreadable?: (error: JsonError) => void
}

/** Read and let go: what is there must be JSON. */
const CHECKED: Node = { scalar() {}, container() {} }

/**
 * Yields the objects of the list under `key` of a JSON object, one at a time, so that memory holds a chunk and an element,
 * and a long list does not block the process. `NaN` and the infinities, which Python writes, are null.
 *
 * All is checked at the end only: elements that were yielded count once the iteration has finished.
 *
 * @throws JsonError when the bytes are not such a document, or end early.
 */
export async function* jsonElements(
  chunks: AsyncIterable<Buffer>,
  key: string,
  { elementLimit, onUnreadable = fail }: ElementOptions,
): AsyncGenerator<Record<string, unknown>, void, undefined> {
  let isList = false
  const open = () => {
    isList = true
  }
  const noObject = () => onUnreadable(new JsonError('syntax', 0, `an element of "${key}" is no object`))
  const schema = (emit: (element: Record<string, unknown>) => void) => {
    const container = (value: unknown) => (isRecord(value) ? emit(value) : noObject())
    const item: Node = { scalar: noObject, container, unreadable: onUnreadable }
    return { fields: new Map([[key, { array: { open, item } }]]), others: CHECKED }
  }
  yield* readJson(chunks, schema, { maxValueBytes: elementLimit })
  if (!isList) throw new JsonError('syntax', 0, `there is no list "${key}"`)
}

function fail(error: JsonError): never {
  throw error
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
