/**
 * Further tasks that a node has made of one upload, as a CAPE does of some containers: submissions that began at the same time. And the
 * one that it goes on with in place of another.
 */
import type { Submission } from './model.js'
import { stateColumns, type TaskRow, toSubmission } from './rows.js'
import type { Tx } from './tables.js'
import { isUnfinished, updateSubmission, updateTask } from './task-rows.js'

/** Each has its own attempt, of which no two may be equal. */
export async function addSiblings(
  tx: Tx,
  { custom, sha256, state, nodeId, begunOn }: Submission,
  task: TaskRow,
  nodeTaskIds: readonly number[],
): Promise<void> {
  let { attempt } = task
  for (const nodeTaskId of nodeTaskIds) {
    attempt += 1
    const copy = { node_id: nodeId, node_task_id: nodeTaskId, state, custom, sha256, begun_on: begunOn }
    await tx
      .insertInto('submission')
      .values({ ...copy, task_id: task.id, attempt })
      .execute()
  }
  if (nodeTaskIds.length > 0) await updateTask(tx, task.id, { attempt })
}

/**
 * Makes another one of the same upload the current one of the task, in place of `ended`. False: there is none, or the task does not
 * wait for `ended`.
 */
export async function passOn(tx: Tx, ended: Submission, task: TaskRow, error: string): Promise<boolean> {
  if (!isUnfinished(task) || task.submission_id !== ended.id) return false
  const others = tx.selectFrom('submission').selectAll().where('task_id', '=', task.id).where('state', '=', 'accepted')
  const sameUpload = others.where('node_id', '=', ended.nodeId).where('begun_on', '=', ended.begunOn)
  const next = await sameUpload.where('id', '!=', ended.id).orderBy('id').limit(1).executeTakeFirst()
  if (next === undefined) return false
  const { id, nodeTaskId } = toSubmission(next)
  await updateTask(tx, task.id, {
    ...stateColumns('processing'),
    submission_id: id,
    node_task_id: nodeTaskId,
    node_state: null,
    error,
  })
  return true
}

/** The node's copy has another number, and nothing is known of it yet. */
export async function follow(tx: Tx, { id }: Submission, task: TaskRow, nodeTaskId: number): Promise<void> {
  await updateSubmission(tx, id, { node_task_id: nodeTaskId })
  if (task.submission_id !== id) return
  const unseen = isUnfinished(task) ? { node_state: null, running_on: null } : {}
  await updateTask(tx, task.id, { node_task_id: nodeTaskId, ...unseen })
}
