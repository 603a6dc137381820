/** Reading and changing single tasks inside a transaction; shared by what clients and what the scheduler do. */
import { SqliteAdapter, sql } from 'kysely'
import type { Submission, Task } from './model.js'
import { stateColumns, type TaskRow, toSubmission, toTask } from './rows.js'
import type { Db, Tx } from './tables.js'

/** What the node says of a task that it may run; of others nothing, as lists are long. */
export const NODE_RUNNING = "case when task.state = 'processing' then node.running end"

/** Tasks with what their nodes say of them. */
function selectTasks(db: Db) {
  return db
    .selectFrom('task')
    .leftJoin('node', 'node.id', 'task.node_id')
    .leftJoin('node as pin', 'pin.id', 'task.pin_node')
    .selectAll('task')
    .select(['node.name as node_name', sql.raw<string | null>(NODE_RUNNING).as('node_running'), 'pin.name as pin_name'])
}

export async function readTask(db: Db, id: number): Promise<Task | undefined> {
  const row = await selectTasks(db).where('task.id', '=', id).executeTakeFirst()
  return row && toTask(row)
}

/**
 * Reads a task and holds its row until the end of the transaction. Whatever happens to a task happens under this lock, which is
 * what makes "read, decide, write" safe. SQLite has one connection, and so one transaction at a time.
 */
export function lockTask(tx: Tx, id: number): Promise<TaskRow | undefined> {
  const row = tx.selectFrom('task').selectAll().where('id', '=', id)
  return (isSqlite(tx) ? row : row.forUpdate()).executeTakeFirst()
}

export function isSqlite(db: Db): boolean {
  return db.getExecutor().adapter instanceof SqliteAdapter
}

/** The highest id that a task ever had, 0 before the first. */
export async function lastTaskId(db: Db): Promise<number> {
  const { rows } = isSqlite(db)
    ? await sql<{ last: number | null }>`select seq as last from sqlite_sequence where name = 'task'`.execute(db)
    : await sql<{
        last: number | null
      }>`select cast(pg_sequence_last_value(pg_get_serial_sequence('task', 'id')::regclass)
        as bigint) as last`.execute(db)
  return Number(rows[0]?.last ?? 0)
}

export async function readSubmission(db: Db, id: number): Promise<Submission | undefined> {
  const row = await db.selectFrom('submission').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toSubmission(row)
}

/** Of a task or of a node, there under one number if that is given; oldest first. */
export async function readSubmissions(
  db: Db,
  of: 'task_id' | 'node_id',
  id: number,
  nodeTaskId?: number,
): Promise<Submission[]> {
  let query = db.selectFrom('submission').selectAll().where(of, '=', id).orderBy('id')
  if (nodeTaskId !== undefined) query = query.where('node_task_id', '=', nodeTaskId)
  return (await query.execute()).map(toSubmission)
}

export async function updateTask(tx: Tx, id: number, values: Partial<Omit<TaskRow, 'id'>>): Promise<void> {
  await tx.updateTable('task').set(values).where('id', '=', id).execute()
}

/** Finished, failed or deleted: the sample is not wanted any more unless it is kept. */
export async function settleTask(
  tx: Tx,
  task: TaskRow,
  values: Partial<Omit<TaskRow, 'id' | 'finished'>> & Pick<TaskRow, 'state'>,
  keepSample: boolean,
): Promise<void> {
  const kept = keepSample ? task.sample_path : null
  if (task.sample_path !== null && kept === null) await markObsolete(tx, 'sample', task.sample_path)
  await updateTask(tx, task.id, { ...values, ...stateColumns(values.state), sample_path: kept })
}

/** What nodes have of the task is not wanted any more; `but`: the copy that whoever calls this sees to. */
export async function discardCopies(tx: Tx, taskId: number, but = 0): Promise<void> {
  await tx
    .updateTable('submission')
    .set({ state: 'discarding' })
    .where('task_id', '=', taskId)
    .where('node_task_id', 'is not', null)
    .where('id', '!=', but)
    .execute()
}

export async function markObsolete(tx: Tx, kind: 'sample' | 'reports', path: string): Promise<void> {
  const insert = tx.insertInto('obsolete_file').values({ kind, path })
  await insert.onConflict(conflict => conflict.doNothing()).execute()
}

/** Removes the row of a deleted task once no node can have a copy. */
export async function forgetDeleted(tx: Tx, task: TaskRow): Promise<void> {
  if (task.state !== 'deleted') return
  const left = await tx.selectFrom('submission').select('id').where('task_id', '=', task.id).limit(1).executeTakeFirst()
  if (left === undefined) await tx.deleteFrom('task').where('id', '=', task.id).execute()
}

/** The number of rows with each value, as a number in both databases. */
export const countRows = sql<number>`cast(count(*) as integer)`

export function isUnfinished({ state }: TaskRow): boolean {
  return state !== 'finished' && state !== 'failed' && state !== 'deleted'
}

export async function updateSubmission(
  tx: Tx,
  id: number,
  values: { readonly state?: Submission['state']; readonly node_task_id?: number },
): Promise<void> {
  await tx.updateTable('submission').set(values).where('id', '=', id).execute()
}
