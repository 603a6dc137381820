/**
 * Ends of tasks by minute and by the priorities that the API of Cuckoo 2.0 counts, so that its status and its curves read none of the tasks
 * that are over; and an index of the others that holds all that is counted of them.
 */
import { type Kysely, sql } from 'kysely'
import type { Dialect } from './columns.js'
import { makeIndex } from './online.js'

/** The row of `task_minute` that holds the sums of all minutes. */
export const ALL_MINUTES = 0

/** The minute, since 1970, that a time is in, which ends with it; both databases cut off. */
export const minuteOf = (time: string) => `(${time} + 59999) / 60000`

export async function minutes(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  const statements = [
    'alter table task_change add column priority integer',
    'alter table task_change add column minute bigint',
    `create table task_minute (
      minute ${dialect === 'sqlite' ? 'integer' : 'bigint'} primary key, tasks bigint not null, prio1 bigint not null, prio2 bigint not null)`,
    ...(dialect === 'sqlite' ? SQLITE_TRIGGERS : POSTGRES_TRIGGER),
  ]
  for (const statement of statements) await sql.raw(statement).execute(db)
}

/** What was over before. */
export async function fillMinutes(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  await makeIndex(db, dialect, { name: 'task_live', on: 'task (added_on, priority, state)', where: 'finished = 0' })
  await sql`insert into task_minute (minute, tasks, prio1, prio2) ${minuteDifferences()}`.execute(db)
}

/** What is to be added to `task_minute`, as its columns. One statement, so that all is of the same moment. */
function minuteDifferences() {
  const sums = (tasks: string) =>
    sql.raw(`sum(${tasks}) as tasks, sum(case when priority = 1 then ${tasks} else 0 end) as prio1,
      sum(case when priority = 2 then ${tasks} else 0 end) as prio2`)
  const ended = sql`from task where finished = 1 and completed_on is not null`
  const minute = sql.raw(minuteOf('completed_on'))
  return sql`select minute, cast(sum(tasks) as integer) as tasks, cast(sum(prio1) as integer) as prio1,
      cast(sum(prio2) as integer) as prio2
    from (
      select ${minute} as minute, ${sums('1')} ${ended} group by 1
      union all select ${sql.lit(ALL_MINUTES)}, ${sums('1')} ${ended} having count(*) > 0
      union all select minute, ${sums('-tasks')} from task_change where minute is not null group by 1
      union all select ${sql.lit(ALL_MINUTES)}, ${sums('-tasks')} from task_change where minute is not null having count(*) > 0
      union all select minute, -tasks, -prio1, -prio2 from task_minute
    ) as found group by minute having sum(tasks) <> 0 or sum(prio1) <> 0 or sum(prio2) <> 0`
}

const ADD = `insert into task_change (state, tasks, priority, minute)
  values (new.state, 1, new.priority, ${minuteOf('new.completed_on')})`
const SUBTRACT = `insert into task_change (state, tasks, priority, minute)
  values (old.state, -1, old.priority, ${minuteOf('old.completed_on')})`
const IS_OTHER = 'old.state <> new.state'

const SQLITE_TRIGGERS = [
  'drop trigger task_begins_end',
  'drop trigger task_was_ended',
  `create trigger task_begins_end after update of state on task
    when new.finished = 1 and ${IS_OTHER} begin ${ADD}; end`,
  `create trigger task_was_ended after update of state on task
    when old.finished = 1 and ${IS_OTHER} begin ${SUBTRACT}; end`,
]

/** The trigger itself stays as it is. */
const POSTGRES_TRIGGER = [
  `create or replace function task_count() returns trigger language plpgsql as $$
  begin
    if new.finished = 1 then ${ADD}; end if;
    if old.finished = 1 then ${SUBTRACT}; end if;
    return null;
  end $$`,
]
