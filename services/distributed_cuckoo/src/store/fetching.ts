/** What becomes of a task while its results are fetched, under the task's lock. */
import type { Report, Submission } from './model.js'
import { stateColumns, type TaskRow } from './rows.js'
import type { Fetch } from './store.js'
import type { Tx } from './tables.js'
import { discardCopies, isUnfinished, settleTask, updateSubmission, updateTask } from './task-rows.js'

export function isFetching(task: TaskRow, submission: Submission): boolean {
  return task.state === 'fetching' && task.submission_id === submission.id
}

function isKept({ size }: Report): boolean {
  return size !== null
}

export async function beginFetch(tx: Tx, submission: Submission, task: TaskRow): Promise<Fetch | undefined> {
  if (submission.state !== 'accepted' || task.state === 'fetching') return undefined
  if (task.state === 'failed') {
    // What an ended fetch had left is still to be removed.
    const leftovers = tx.selectFrom('obsolete_file').select('path').where('kind', '=', 'reports')
    const left = await leftovers.where('path', '=', String(task.id)).executeTakeFirst()
    return left === undefined ? { late: true, settled: [] } : undefined
  }
  if (!isUnfinished(task)) return beginAmending(tx, submission, task)
  if (task.submission_id !== submission.id) return { late: true, settled: [] }
  await updateTask(tx, task.id, stateColumns('fetching'))
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

/** The task is finished with these reports and those that it has; its copies stay while one may come yet. */
export async function finish(
  tx: Tx,
  task: TaskRow,
  copy: Submission,
  reports: readonly Report[],
  { at, keepSample }: { readonly at: number; readonly keepSample: boolean },
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
  const completed_on = task.state === 'finished' ? task.completed_on : at
  const from = { submission_id: copy.id, node_id: copy.nodeId, node_task_id: copy.nodeTaskId }
  await settleTask(tx, task, { state: 'finished', ...from, error, completed_on }, keepSample)
  if (missing.length === 0) await discardCopies(tx, task.id)
}
