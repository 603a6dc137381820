/**
 * The totals of tasks that are over, compared with the tasks a few at a time, while others end and go. What a minute has of tasks, less the changes
 * that are not added up yet, stays as it is whatever becomes of tasks, as the database notes each change with them: so each minute is looked at
 * by itself. Only adding up would move it.
 */
import { delay } from '@cuckoo-distributed/wait'
import { sql } from 'kysely'
import { ALL_MINUTES, minuteOf } from './migrations/011-minutes.js'
import type { TaskState } from './model.js'
import type { MinuteTable, Tx } from './tables.js'
import { add, addMinutes, noTasks, sumOf } from './task-counts.js'

/** Tasks of a state that are counted at a time, and the rest of their last minute: some milliseconds, in which SQLite answers nobody else. */
const TASKS = 1000
const PAUSE_MS = 5
const LAST_MINUTE = Math.floor(Number.MAX_SAFE_INTEGER / 60_000)
const ENDED = sql.raw("finished = 1 and state in ('finished', 'failed')")
const SUMS =
  sql.raw(`cast(sum(tasks) as integer) as tasks, cast(sum(case when priority = 1 then tasks else 0 end) as integer) as prio1,
  cast(sum(case when priority = 2 then tasks else 0 end) as integer) as prio2`)

/** What was to be added to the totals. */
export type Missing = Partial<Record<TaskState, number>>
/** Runs `work` in a transaction of its own, or rejects because another process may add up. */
type Transact = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>

/** Mends the totals while this process adds up nothing. */
export async function recount(transact: Transact, signal: AbortSignal): Promise<Missing> {
  const ofState = new Map<TaskState, number>()
  const all = noTasks(ALL_MINUTES)
  for (let after = ALL_MINUTES; after < LAST_MINUTE; ) {
    const { upTo, found } = await transact(tx => mendMinutes(tx, after))
    for (const one of found) {
      ofState.set(one.state, (ofState.get(one.state) ?? 0) + one.tasks)
      add(all, one, 1)
    }
    after = upTo
    await delay(PAUSE_MS, signal)
  }
  return transact(tx => mendTotals(tx, ofState, all))
}

type Found = MinuteTable & { readonly state: TaskState }

/** Of some minutes behind this one; resolves with what they have, and with the last of them. */
async function mendMinutes(tx: Tx, after: number): Promise<{ readonly upTo: number; readonly found: Found[] }> {
  const upTo = await lastOf(tx, after)
  const found = await tasksOf(tx, after, upTo)
  const known = tx.selectFrom('task_minute').selectAll().where('minute', '>', after).where('minute', '<=', upTo)
  const wrong = new Map<number, MinuteTable>()
  for (const one of found) add(sumOf(wrong, one.minute), one, 1)
  for (const one of await known.execute()) add(sumOf(wrong, one.minute), one, -1)
  await addMinutes(tx, [...wrong.values()].filter(isSome))
  const empty = tx.deleteFrom('task_minute').where('minute', '>', after).where('minute', '<=', upTo)
  await empty.where('tasks', '=', 0).execute()
  return { upTo, found }
}

async function lastOf(tx: Tx, after: number): Promise<number> {
  const ends = ['finished', 'failed'].map(state => {
    return sql`select * from (select completed_on from task where finished = 1 and state = ${sql.lit(state)}
      and completed_on > ${after * 60_000} order by completed_on limit 1 offset ${sql.lit(TASKS)}) as one`
  })
  const { rows } = await sql<{ minute: number | null }>`select ${sql.raw(minuteOf('min(completed_on)'))} as minute
    from (${sql.join(ends, sql` union all `)}) as ends`.execute(tx)
  return rows[0]?.minute ?? LAST_MINUTE
}

/** One statement, so that tasks and changes are of the same moment. */
async function tasksOf(tx: Tx, after: number, upTo: number): Promise<Found[]> {
  const { rows } = await sql<Found>`select state, minute, ${SUMS} from (
      select state, ${sql.raw(minuteOf('completed_on'))} as minute, priority, 1 as tasks from task
      where ${ENDED} and completed_on > ${after * 60_000} and completed_on <= ${upTo * 60_000}
      union all select state, minute, priority, -tasks from task_change where minute > ${after} and minute <= ${upTo}
    ) as found group by state, minute`.execute(tx)
  return rows
}

async function mendTotals(tx: Tx, ofState: ReadonlyMap<TaskState, number>, all: MinuteTable): Promise<Missing> {
  const known = tx.selectFrom('task_minute').selectAll().where('minute', '=', ALL_MINUTES)
  for (const one of await known.execute()) add(all, one, -1)
  if (isSome(all)) await addMinutes(tx, [all])
  // What has no minute was never in one, or is a difference that was found before.
  const { rows } = await sql<{
    state: TaskState
    tasks: number
  }>`select state, cast(sum(tasks) as integer) as tasks from (
      select state, 1 as tasks from task where ${ENDED} and completed_on is null
      union all select state, -tasks from task_change where minute is null
      union all select state, -tasks from task_total
    ) as found group by state`.execute(tx)
  const missing = new Map(ofState)
  for (const { state, tasks } of rows) missing.set(state, (missing.get(state) ?? 0) + tasks)
  const changes = [...missing].filter(([, tasks]) => tasks !== 0)
  if (changes.length > 0) {
    const values = changes.map(([state, tasks]) => ({ state, tasks, priority: null, minute: null }))
    await tx.insertInto('task_change').values(values).execute()
  }
  return Object.fromEntries(changes)
}

function isSome({ tasks, prio1, prio2 }: MinuteTable): boolean {
  return tasks !== 0 || prio1 !== 0 || prio2 !== 0
}
