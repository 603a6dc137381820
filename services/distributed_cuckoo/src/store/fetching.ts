/** What becomes of a task while its results are fetched, under the task's lock. */
import type { Report, Submission } from './model.js'
import { stateColumns, type TaskRow } from './rows.js'
import type { Fetch } from './store.js'
import type { Db, Tx } from './tables.js'
import { discardCopies, isUnfinished, readSubmission, readTask, settleTask, updateSubmission } from './task-rows.js'

/** Whether this is the copy that the task waits for; `fetching` is written down for those who look on, when it takes long. */
export function isAwaited(task: TaskRow, submission: Submission): boolean {
  // The node has accepted it: what a task that is there names is neither being sent nor given up.
  return (task.state === 'processing' || task.state === 'fetching') && task.submission_id === submission.id
}

/** Whether this copy is the one that its task waits for, and nobody fetches it; as it was a moment ago. */
export async function isProcessing(db: Db, submissionId: number): Promise<boolean> {
  const submission = await readSubmission(db, submissionId)
  const task = submission && (await readTask(db, submission.taskId))
  return submission?.state === 'accepted' && task?.submissionId === submissionId && task.state === 'processing'
}

/** Those of a leader that is gone. */
export async function endFetches(tx: Tx): Promise<void> {
  await tx.updateTable('task').set(stateColumns('processing')).where('state', '=', 'fetching').execute()
}

function isKept({ size }: Report): boolean {
  return size !== null
}

export async function beginFetch(tx: Tx, submission: Submission, task: TaskRow): Promise<Fetch | undefined> {
  if (submission.state !== 'accepted') return undefined
  // Of the same copy it is a fetch that ended without a word to the database: whoever asks would know of a live one.
  if (task.state === 'fetching' && task.submission_id !== submission.id) return undefined
  if (task.state === 'failed') {
    // What an ended fetch had left is still to be removed.
    const leftovers = tx.selectFrom('obsolete_file').select('path').where('kind', '=', 'reports')
    const left = await leftovers.where('path', '=', String(task.id)).executeTakeFirst()
    return left === undefined ? { late: true, settled: [] } : undefined
  }
  if (!isUnfinished(task)) return beginAmending(tx, submission, task)
  if (task.submission_id !== submission.id) return { late: true, settled: [] }
  return { late: false, settled: [] }
}

async function beginAmending(tx: Tx, submission: Submission, task: TaskRow): Promise<Fetch | undefined> {
  const reports = await tx.selectFrom('report').selectAll().where('task_id', '=', task.id).execute()
  if (!reports.some(({ retry }) => retry === 1)) {
    await updateSubmission(tx, submission.id, { state: 'discarding' })
    return undefined
  }
  return { late: true, settled: reports.flatMap(({ format, retry }) => (retry === 1 ? [] : [format])) }
}

/** Whether what a late fetch has brought is of use: any report for a task without one, any news for one that lacks some. */
export function canAmend(task: TaskRow, submission: Submission, reports: readonly Report[]): boolean {
  if (submission.state !== 'accepted' || task.state === 'deleted' || task.state === 'fetching') return false
  return task.state === 'finished' || reports.some(isKept)
}

/** The task is finished with these reports and those that it has; its other copies stay while one may come yet. */
export async function finish(
  tx: Tx,
  task: TaskRow,
  copy: Submission,
  reports: readonly Report[],
  {
    at,
    runningOn,
    keepSample,
  }: { readonly at: number; readonly runningOn: number | undefined; readonly keepSample: boolean },
): Promise<void> {
  for (const { format, size, reason, retry } of reports) {
    const values = { size, reason, retry: Number(retry) }
    const insert = tx.insertInto('report').values({ task_id: task.id, format, ...values })
    // What is kept stays kept, whatever another copy lacks.
    const update = insert.onConflict(known => {
      return known.columns(['task_id', 'format']).doUpdateSet(values).where('report.size', 'is', null)
    })
    await update.execute()
  }
  const missing = await tx
    .selectFrom('report')
    .select(['format', 'reason'])
    .where('task_id', '=', task.id)
    .where('retry', '=', 1)
    .execute()
  const error = missing.map(({ format, reason }) => `${format}: ${reason}`).join('; ') || null
  const isOver = task.state === 'finished'
  const completed_on = isOver ? task.completed_on : at
  const running_on = isOver ? task.running_on : (runningOn ?? task.running_on)
  const from = { submission_id: copy.id, node_id: copy.nodeId, node_task_id: copy.nodeTaskId }
  await settleTask(tx, task, { state: 'finished', ...from, error, running_on, completed_on }, keepSample)
  if (missing.length === 0) await discardCopies(tx, task.id, copy.id)
}
