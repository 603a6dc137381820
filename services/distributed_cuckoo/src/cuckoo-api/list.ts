/** `/tasks/list`: streamed, as Cuckoo's list without a limit has every task there is. */

import { ApiError } from '../rest/errors.js'
import { type Fields, readInteger } from '../rest/fields.js'
import type { Task, TaskFilter, TaskState } from '../store/model.js'
import type { Store } from '../store/store.js'
import { statesCalled, taskJson } from './task-json.js'

const PAGE = 500

/** What the query of a list asks for. @throws ApiError 400 */
export async function readListFilter(store: Store, query: Fields): Promise<TaskFilter> {
  const after = query.get('completed_after') ? readInteger(query, 'completed_after') : undefined
  return {
    states: query.get('status') ? await statesOf(store, query.get('status') ?? '') : undefined,
    owner: query.get('owner') || undefined,
    completedAfter: after === undefined ? undefined : after * 1000,
  }
}

/**
 * The document with all tasks that fit, by id. Each page begins behind the last task of the one before, so that none is left
 * out because others have left the list in the meantime.
 */
export async function* listDocument(
  store: Store,
  filter: TaskFilter,
  { limit = Number.POSITIVE_INFINITY, offset = 0 }: { readonly limit?: number; readonly offset?: number },
): AsyncGenerator<string> {
  let left = limit
  let last: Task | undefined
  let separator = ''
  yield '{"tasks": ['
  while (left > 0 && filter.states?.length !== 0) {
    const page = { ...filter, limit: Math.min(left, PAGE), offset: last === undefined ? offset : 0, afterId: last?.id }
    const tasks = await store.tasks.list(page)
    if (tasks.length > 0) {
      yield separator + tasks.map(task => JSON.stringify(taskJson(task))).join(', ')
      separator = ', '
    }
    if (tasks.length < page.limit) break
    left -= tasks.length
    last = tasks.at(-1)
  }
  yield ']}'
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
