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
  const not_before = notBefore > at ? notBefore : 0
  const why = { avoid_node: submission.nodeId, error, not_before, ...withRetry(task, error, at) }
  await updateTask(tx, task.id, { ...UNSENT, requeues, ...why })
}

export interface Failure {
  readonly error: string
  readonly at: number
  /** When its node was first seen to run it. */
  readonly runningOn?: number | undefined
  readonly keepSample: boolean
}

export async function fail(tx: Tx, task: TaskRow, { error, at, runningOn, keepSample }: Failure): Promise<void> {
  // What an ended fetch has left in the report directory belongs to no report.
  await markObsolete(tx, 'reports', String(task.id))
  const running_on = runningOn ?? task.running_on
  const values = { state: 'failed', error, running_on, completed_on: at, ...withRetry(task, error, at) } as const
  await settleTask(tx, task, values, keepSample)
}
