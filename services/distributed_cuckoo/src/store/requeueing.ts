/** What becomes of a task whose copy came to nothing, under the task's lock. */
import type { Submission } from './model.js'
import { type TaskRow, UNSENT, withRetry } from './rows.js'
import type { Requeue } from './store.js'
import type { Tx } from './tables.js'
import { isUnfinished, markObsolete, settleTask, updateTask } from './task-rows.js'

/** The task is pending again, if this was its current copy; it fails when that has happened too often. */
export async function requeue(
  tx: Tx,
  submission: Submission,
  task: TaskRow,
  outcome: Requeue & { readonly keepSample: boolean },
): Promise<void> {
  if (!isUnfinished(task) || task.submission_id !== submission.id) return
  const requeues = task.requeues + Number(outcome.counted)
  if (requeues > outcome.maxRequeues) {
    await fail(tx, task, outcome)
    return
  }
  const { error, at, notBefore } = outcome
  const why = { avoid_node: submission.nodeId, error, not_before: notBefore, ...withRetry(task, error, at) }
  await updateTask(tx, task.id, { ...UNSENT, requeues, ...why })
}

export async function fail(
  tx: Tx,
  task: TaskRow,
  { error, at, keepSample }: { readonly error: string; readonly at: number; readonly keepSample: boolean },
): Promise<void> {
  // What an ended fetch has left in the report directory belongs to no report.
  await markObsolete(tx, 'reports', String(task.id))
  const values = { state: 'failed', error, completed_on: at, ...withRetry(task, error, at) } as const
  await settleTask(tx, task, values, keepSample)
}
