/** The task that a path names, and tasks as lists of both Distributed APIs have them. */
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { Task } from '../store/model.js'
import type { ServerContext } from './context.js'
import { ApiError } from './errors.js'

/** A client that deletes a task need not wait for a slow disk. */
const TIDYING_MS = 2000

export interface ById {
  Params: { id: string }
}

/** @throws ApiError 404 */
export async function findTask({ store }: ServerContext, text: string): Promise<Task> {
  const id = readTaskId(text)
  const task = id === undefined ? undefined : await store.tasks.get(id)
  if (task === undefined) throw taskNotFound()
  return task
}

/** The id in a path: digits, with leading zeros or not. */
export function readTaskId(text: string): number | undefined {
  const id = /^\d{1,16}$/.test(text) ? Number(text) : 0
  return Number.isSafeInteger(id) && id > 0 ? id : undefined
}

/** Removes the task with everything that belongs to it. @throws ApiError 404 when somebody else has. */
export async function removeTask(context: ServerContext, task: Task): Promise<void> {
  if (!(await removeIfThere(context, task.id))) throw taskNotFound()
}

/** As `removeTask`, but resolves with false when there is none. */
export async function removeIfThere(context: ServerContext, id: number): Promise<boolean> {
  if ((await context.store.tasks.remove(id)) === undefined) return false
  await tidyUp(context)
  return true
}

/** To be called when tasks have been removed. */
export async function tidyUp({ janitor, closing, wake }: ServerContext): Promise<void> {
  wake()
  using limit = timeLimit(closing, TIDYING_MS, new Error('it takes too long'))
  // What cannot be removed now stays written down.
  await orAbort(janitor.removeObsolete(), limit.signal).catch(() => undefined)
}

/**
 * The tasks by id as a JSON text that begins with `beginning`, an object in an object. The first page comes with the beginning, so that a
 * failure before it still gets an answer of its own.
 */
export async function* tasksDocument(
  beginning: string,
  pages: AsyncIterable<readonly Task[]>,
  shown: (task: Task) => unknown,
): AsyncGenerator<string> {
  let before = beginning
  for await (const tasks of pages) {
    // One call for all takes a quarter of the time of one for each. Numbers as keys are in their order, which is that of the pages.
    const byId = Object.fromEntries(tasks.map(task => [task.id, shown(task)]))
    yield before + JSON.stringify(byId).slice(1, -1)
    before = ','
  }
  yield before === ',' ? '}}' : `${before}}}`
}

export function taskNotFound(): ApiError {
  return new ApiError(404, 'Task not found')
}
