import type { Task, TaskFilter } from './model.js'
import type { Store } from './store.js'

const PAGE = 500

export interface Range {
  /** Most tasks to yield; default all. */
  readonly limit?: number | undefined
  /** Tasks to leave out. */
  readonly offset?: number | undefined
}

/**
 * All tasks that fit, in the order of the list, a page at a time, as a list without a limit may be longer than memory. Each page begins behind the last
 * task of the one before, so that none is left out because others have left the list in the meantime.
 */
export async function* pagesOf(store: Store, filter: TaskFilter, range: Range): AsyncGenerator<Task[]> {
  let left = range.limit ?? Number.POSITIVE_INFINITY
  let last: Task | undefined
  while (left > 0) {
    const limit = Math.min(left, PAGE)
    const offset = last === undefined ? range.offset : undefined
    const tasks = await store.tasks.list({ ...filter, limit, offset, after: last })
    if (tasks.length > 0) yield tasks
    if (tasks.length < limit) return
    left -= tasks.length
    last = tasks.at(-1)
  }
}
