/** `/tasks/list`: streamed, as Cuckoo's list without a limit has every task there is. */
import { ApiError } from '../server/errors.js'
import { type Fields, readInteger } from '../server/fields.js'
import type { TaskFilter, TaskState } from '../store/model.js'
import { pagesOf, type Range } from '../store/pages.js'
import type { Store } from '../store/store.js'
import { statesCalled, taskJson } from './task-json.js'

/** What the query of a list asks for. @throws ApiError 400 */
export async function readListFilter(store: Store, query: Fields): Promise<TaskFilter> {
  const after = query.get('completed_after') ? readInteger(query, 'completed_after') : undefined
  return {
    states: query.get('status') ? await statesOf(store, query.get('status') ?? '') : undefined,
    owner: query.get('owner') || undefined,
    completedAfter: after === undefined ? undefined : after * 1000,
  }
}

/** The document with all tasks that fit, by id. The first page comes with the beginning, so that a failure before it gets an answer. */
export async function* listDocument(store: Store, filter: TaskFilter, range: Range): AsyncGenerator<string> {
  let beginning = '{"tasks": ['
  if (filter.states?.length !== 0) {
    for await (const tasks of pagesOf(store, filter, range)) {
      yield beginning + JSON.stringify(tasks.map(taskJson)).slice(1, -1)
      beginning = ', '
    }
  }
  yield beginning === ', ' ? ']}' : `${beginning}]}`
}

/** @throws ApiError 404 unless the text is a count. */
export function readCountInPath(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new ApiError(404, 'Not Found')
  return Number(text)
}

/**
 * The nodes' pending tasks are counted as pending by the status, but which of ours they are is not known: so all that are on
 * nodes are listed then, or a client that compares lists with counters would find tasks missing.
 */
async function statesOf(store: Store, status: string): Promise<TaskState[]> {
  const states = statesCalled(status)
  if (status !== 'pending') return states
  const nodes = await store.nodes.list()
  return nodes.some(({ counters }) => (counters?.pending ?? 0) > 0) ? [...states, 'processing'] : states
}
