/** Numbers of tasks for those who look on; no decision reads them. None of the tasks that are over are read. */
import { sql } from 'kysely'
import { ALL_MINUTES, minuteOf } from './migrations/011-minutes.js'
import type { TaskState } from './model.js'
import type { Db } from './tables.js'

/** Tasks of all priorities, and of the first two. */
export interface Tally {
  readonly tasks: number
  readonly prio1: number
  readonly prio2: number
}

export type TallyOf = Tally & { readonly state: Exclude<TaskState, 'deleted'> }

/** Steps of whole minutes behind `from`, which is the end of a minute since 1970; a time on a border is in the step that it ends. */
export interface Steps {
  readonly from: number
  readonly minutes: number
  readonly count: number
}

/** Tasks that are not over, and were added in this minute. */
export interface Added {
  readonly minute: number
  readonly priority: number
  readonly tasks: number
}

/** In the order of an index, so that nothing is sorted: SQLite would take four times as long. */
const LIVE = sql.raw(`select ${minuteOf('added_on')} as minute, priority, state, count(*) as tasks
  from task where finished = 0 and state <> 'deleted' group by 1, 2, 3`)
/** Of `task_change`, as the columns of `task_minute`. */
const CHANGES = sql.raw(`select minute, tasks, case when priority = 1 then tasks else 0 end as prio1,
  case when priority = 2 then tasks else 0 end as prio2 from task_change where minute is not null`)
const SUMS = sql.raw(['tasks', 'prio1', 'prio2'].map(c => `cast(coalesce(sum(${c}), 0) as integer) as ${c}`).join(', '))

export class Statistics {
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  /** The tasks that are not over, by state. */
  async unfinished(): Promise<TallyOf[]> {
    const { rows } = await sql<TallyOf>`select state, cast(sum(tasks) as integer) as tasks,
      cast(sum(case when priority = 1 then tasks else 0 end) as integer) as prio1,
      cast(sum(case when priority = 2 then tasks else 0 end) as integer) as prio2
      from (${LIVE}) as live group by state`.execute(this.#db)
    return rows
  }

  /** Tasks that are over, since they were finished or failed. */
  ended(): Promise<Tally> {
    return this.#sums(sql`minute = ${sql.lit(ALL_MINUTES)}`, sql`1 = 1`)
  }

  /** Those that ended after this minute since 1970. */
  endedAfter(minute: number): Promise<Tally> {
    return this.#sums(sql`minute > ${minute}`, sql`minute > ${minute}`)
  }

  /** Tasks that ended in each step. */
  async endedPerStep({ from, minutes, count }: Steps): Promise<number[]> {
    const first = from + 1
    const within = sql`minute between ${sql.lit(first)} and ${sql.lit(from + count * minutes)}`
    const { rows } = await sql<{ step: number; tasks: number }>`
      select (minute - ${sql.lit(first)}) / ${sql.lit(minutes)} as step, cast(sum(tasks) as integer) as tasks from (
        select minute, tasks from task_minute where ${within}
        union all select minute, tasks from task_change where ${within}
      ) as found group by 1`.execute(this.#db)
    const counts = new Array<number>(count).fill(0)
    for (const { step, tasks } of rows) counts[Number(step)] = tasks
    return counts
  }

  /** When the tasks were added that are not over, by minute and priority. */
  async added(): Promise<Added[]> {
    const { rows } =
      await sql<Added>`select cast(minute as integer) as minute, priority, cast(sum(tasks) as integer) as tasks
      from (${LIVE}) as live group by 1, 2`.execute(this.#db)
    return rows
  }

  async #sums(ofMinutes: ReturnType<typeof sql>, ofChanges: ReturnType<typeof sql>): Promise<Tally> {
    // One statement, as what is folded in between would be counted twice.
    const { rows } = await sql<Tally>`select ${SUMS} from (
      select minute, tasks, prio1, prio2 from task_minute where ${ofMinutes}
      union all select * from (${CHANGES}) as changes where ${ofChanges}
    ) as found`.execute(this.#db)
    return rows[0] ?? { tasks: 0, prio1: 0, prio2: 0 }
  }
}
