/** Taking from a node what it has. */
import type { ServerContext } from '../server/context.js'
import type { Node, Submission, Task } from '../store/model.js'

export interface Purge {
  /** Its tasks fail instead of going to other nodes, and their copies there are deleted. */
  readonly fail: boolean
  /** Nothing of it is asked for or deleted there any more: for a node that never comes back. */
  readonly forget: boolean
}

/**
 * Resolves with the ids of the tasks that were there. Unless `forget` is set, what the node still has of tasks that go elsewhere is
 * fetched if it is done first, and deleted.
 */
export async function purgeNode(
  { store, wake }: ServerContext,
  node: Node,
  { fail, forget }: Purge,
): Promise<number[]> {
  const { dispatch, tasks } = store
  const error = `node ${node.name} was purged`
  const ids: number[] = []
  for (const submission of await dispatch.submissions(node.id)) {
    const at = store.now()
    const outcome = { at, notBefore: at, error, counted: false, maxRequeues: Number.MAX_SAFE_INTEGER }
    const { id, taskId, state, nodeTaskId } = submission
    if (isHere(await tasks.get(taskId), submission)) {
      ids.push(taskId)
      if (fail) await dispatch.fail(taskId, error, at)
      else await dispatch.abandoned(id, outcome)
    }
    if (forget) await dispatch.vanished(id, outcome)
    else if (fail && nodeTaskId !== null && state !== 'discarding') await dispatch.failedOnNode(id, error, at)
  }
  wake()
  return ids
}

/** Whether this is where the task is now. */
function isHere(task: Task | undefined, submission: Submission): boolean {
  return task?.submissionId === submission.id && ['submitting', 'processing', 'fetching'].includes(task.state)
}
