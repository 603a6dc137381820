/** Reading the queue: by requirement, as many at a time as are asked for, so that its length does not matter. */
import { sql } from 'kysely'
import type { Requirements, Task } from './model.js'
import type { Db, Tx } from './tables.js'
import { readTasks } from './task-list.js'

/** Tasks that are put into the queue at a time. */
const RELEASED = 500
/** As the index `task_waiting` has it. */
const WAITS = sql.raw("state = 'pending' and not_before = 0")
const DELAYED = sql.raw("state = 'pending' and not_before > 0")

/** As `DispatchStore.pendingRequirements`. */
export async function requirementsAfter(db: Db, after: string, limit: number): Promise<string[]> {
  // A jump in the index for each requirement; `distinct` would read all tasks.
  const { rows } = await sql<{ requirement: string }>`
    with recursive found (requirement) as (
      select * from (
        select requirement from task where ${WAITS} and requirement > ${after} order by requirement limit 1
      ) as first
      union all
      select (
        select task.requirement from task where ${WAITS} and task.requirement > found.requirement
        order by task.requirement limit 1
      ) from found where found.requirement is not null
    )
    select requirement from found where requirement is not null limit ${limit}`.execute(db)
  return rows.map(({ requirement }) => requirement)
}

/** As `DispatchStore.nextPending`. */
export async function firstOf(db: Db, requirements: readonly string[], limit: number): Promise<Task[]> {
  if (requirements.length === 0) return []
  const parts = requirements.map(
    requirement => sql`select * from (
      select id from task where ${WAITS} and requirement = ${requirement} order by priority desc, id limit ${limit}
    ) as part`,
  )
  return readTasks(db, sql.join(parts, sql` union all `), sql`task.priority desc, task.id`)
}

/** As `TaskStore.pendingOf`. */
export async function countOf(db: Db, requirements: readonly string[]): Promise<Map<string, number>> {
  if (requirements.length === 0) return new Map()
  const { rows } = await sql<{ requirement: string; tasks: number }>`
    select requirement, cast(count(*) as integer) as tasks from task
    where ${WAITS} and requirement in (${sql.join(requirements)}) group by requirement`.execute(db)
  return new Map(rows.map(({ requirement, tasks }) => [requirement, tasks]))
}

/** Those whose time has come. */
export async function delayedUntil(db: Db, now: number): Promise<number[]> {
  const due = sql<{ id: number }>`select id from task where ${DELAYED} and not_before <= ${now}
    order by not_before limit ${RELEASED}`
  return (await due.execute(db)).rows.map(({ id }) => id)
}

export async function release(tx: Tx, ids: readonly number[]): Promise<void> {
  await tx.updateTable('task').set({ not_before: 0 }).where('id', 'in', ids).where('state', '=', 'pending').execute()
}

/** Why pending tasks wait, of at most so many requirements. */
export async function readReasons(db: Db, limit: number) {
  const first = await db.selectFrom('wait_reason').selectAll().orderBy('requirement').limit(limit).execute()
  const count = db.selectFrom('wait_reason').select(sql<number>`cast(count(*) as integer)`.as('total'))
  const { total } = await count.executeTakeFirstOrThrow()
  return { reasons: new Map(first.map(({ requirement, reason }) => [requirement, reason])), total }
}

/** As `DispatchStore.setWaitReasons`. */
export async function writeReasons(
  tx: Tx,
  reasons: ReadonlyMap<string, string>,
  { after, upTo }: Requirements,
): Promise<void> {
  const wanted = [...reasons.keys()]
  let gone = tx.deleteFrom('wait_reason').where('requirement', '>', after)
  if (upTo !== undefined) gone = gone.where('requirement', '<=', upTo)
  if (wanted.length > 0) gone = gone.where('requirement', 'not in', wanted)
  await gone.execute()
  for (const [requirement, reason] of reasons) {
    const insert = tx.insertInto('wait_reason').values({ requirement, reason })
    const change = insert.onConflict(known => {
      return known.column('requirement').doUpdateSet({ reason }).where('wait_reason.reason', '<>', reason)
    })
    await change.execute()
  }
}
