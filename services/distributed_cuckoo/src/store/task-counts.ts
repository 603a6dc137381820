/**
 * How many tasks there are of each state. Those that are not over are counted; the totals of the others are rows that the database
 * adds to with each end of a task. No decision rests on them.
 */
import { sql } from 'kysely'
import { ALL_MINUTES } from './migrations/011-minutes.js'
import type { TaskCounts, TaskState } from './model.js'
import type { ChangeTable, Db, MinuteTable, Tx } from './tables.js'

const LIVE = sql.raw("('pending', 'submitting', 'processing', 'fetching')")
/** Changes that are added up at a time. */
const BATCH = 2000

export async function countTasks(db: Db): Promise<TaskCounts> {
  const counts = { pending: 0, submitting: 0, processing: 0, fetching: 0, finished: 0, failed: 0 }
  // One statement, as what is folded in between would be counted twice.
  const { rows } = await sql<{ state: keyof TaskCounts; tasks: number }>`
    select state, cast(count(*) as integer) as tasks from task where state in ${LIVE} group by state
    union all select state, tasks from task_total
    union all select state, cast(sum(tasks) as integer) from task_change group by state`.execute(db)
  for (const { state, tasks } of rows) counts[state] += tasks
  return counts
}

/** Adds changes to the totals; resolves with whether there are more of them. */
export async function foldChanges(tx: Tx): Promise<boolean> {
  const oldest = tx.selectFrom('task_change').select('id').orderBy('id').limit(BATCH)
  const gone = await tx.deleteFrom('task_change').where('id', 'in', oldest).returningAll().execute()
  const sums = new Map<TaskState, number>()
  for (const { state, tasks } of gone) sums.set(state, (sums.get(state) ?? 0) + tasks)
  for (const [state, tasks] of sums) {
    const insert = tx.insertInto('task_total').values({ state, tasks })
    const add = insert.onConflict(known => {
      return known
        .column('state')
        .doUpdateSet(({ eb, ref }) => ({ tasks: eb('task_total.tasks', '+', ref('excluded.tasks')) }))
    })
    await add.execute()
  }
  await addMinutes(tx, minutesOf(gone))
  return gone.length === BATCH
}

function minutesOf(changes: readonly Omit<ChangeTable, 'id'>[]): MinuteTable[] {
  const sums = new Map<number, MinuteTable>()
  for (const { minute, priority, tasks } of changes) {
    if (minute === null) continue
    const change = { tasks, prio1: priority === 1 ? tasks : 0, prio2: priority === 2 ? tasks : 0 }
    for (const key of [minute, ALL_MINUTES]) add(sumOf(sums, key), change, 1)
  }
  return [...sums.values()]
}

export function noTasks(minute: number): MinuteTable {
  return { minute, tasks: 0, prio1: 0, prio2: 0 }
}

/** The sum of this minute, which is begun if there is none. */
export function sumOf(sums: Map<number, MinuteTable>, minute: number): MinuteTable {
  const sum = sums.get(minute) ?? noTasks(minute)
  sums.set(minute, sum)
  return sum
}

export function add(sum: MinuteTable, { tasks, prio1, prio2 }: Omit<MinuteTable, 'minute'>, sign: 1 | -1): void {
  sum.tasks += sign * tasks
  sum.prio1 += sign * prio1
  sum.prio2 += sign * prio2
}

/** Adds to the numbers of minutes. */
export async function addMinutes(tx: Tx, rows: readonly MinuteTable[]): Promise<void> {
  for (let i = 0; i < rows.length; i += BATCH) {
    const insert = tx.insertInto('task_minute').values(rows.slice(i, i + BATCH))
    const add = insert.onConflict(known => {
      return known.column('minute').doUpdateSet(({ eb, ref }) => ({
        tasks: eb('task_minute.tasks', '+', ref('excluded.tasks')),
        prio1: eb('task_minute.prio1', '+', ref('excluded.prio1')),
        prio2: eb('task_minute.prio2', '+', ref('excluded.prio2')),
      }))
    })
    await add.execute()
  }
}
