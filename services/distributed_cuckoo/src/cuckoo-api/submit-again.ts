/** A task like one that there is already. */
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import type { Sample, Task } from '../store/model.js'

/** Resolves with the id of the new task. @throws ApiError 500, in Cuckoo's words, when the sample is gone. */
export async function submitAgain({ store, files, spans, wake }: ServerContext, task: Task): Promise<number> {
  const known = sampleOf(task)
  const sample = known && ((await files.shareSample(known)) ?? null)
  if (task.url === null && sample === null) {
    throw new ApiError(500, 'An error occurred while trying to reschedule the task: its sample is gone')
  }
  // If the database fails, nobody knows whether the task is there; a sample that is nobody's is the janitor's.
  const id = await store.tasks.create({ ...task, sample }, store.now())
  spans?.created(id)
  wake()
  return id
}

function sampleOf({ samplePath: path, sampleSize: size, md5, sha256 }: Task): Sample | null {
  if (path === null || size === null || md5 === null || sha256 === null) return null
  return { path, size, md5, sha256 }
}
