/** The task that a path names. */
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
function readTaskId(text: string): number | undefined {
  const id = /^\d{1,16}$/.test(text) ? Number(text) : 0
  return Number.isSafeInteger(id) && id > 0 ? id : undefined
}

/** Removes the task with everything that belongs to it. @throws ApiError 404 when somebody else has. */
export async function removeTask({ store, janitor, closing, wake }: ServerContext, task: Task): Promise<void> {
  if ((await store.tasks.remove(task.id)) === undefined) throw taskNotFound()
  wake()
  using limit = timeLimit(closing, TIDYING_MS, new Error('it takes too long'))
  // What cannot be removed now stays written down.
  await orAbort(janitor.removeObsolete(), limit.signal).catch(() => undefined)
}

export function taskNotFound(): ApiError {
  return new ApiError(404, 'Task not found')
}
