/**
 * Indexes that hold only what a question can be about, and totals of what is over, so that nothing grows with the tasks there ever were.
 * Servers of before go on beside it: what they end is counted by the trigger, too.
 */
import { type Kysely, sql } from 'kysely'
import type { Dialect } from './columns.js'
import { briefly, type IndexOptions, makeIndex, removeIndex } from './online.js'

const INDEXES: readonly IndexOptions[] = [
  // A task that must not be sent yet is in neither place of the queue but that of its time.
  { name: 'task_waiting', on: 'task (requirement, priority desc, id)', where: "state = 'pending' and not_before = 0" },
  { name: 'task_delayed', on: 'task (not_before)', where: "state = 'pending' and not_before > 0" },
  { name: 'task_ended', on: 'task (state, completed_on, id)', where: 'finished = 1' },
  { name: 'task_owner', on: 'task (owner, state, id)', where: 'owner is not null' },
  { name: 'task_sample', on: 'task (sample_path)', where: 'sample_path is not null' },
]
const REPLACED = ['task_queue', 'task_completed', 'task_finished', 'task_sample_path']

export async function million(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  await briefly(db, dialect, tx => countEnds(tx, dialect))
  for (const index of INDEXES) await makeIndex(db, dialect, index)
  // What was over before; a difference, so that a second try counts nothing twice.
  await sql`insert into task_change (state, tasks)
    select state, cast(sum(tasks) as integer) from (
      select state, count(*) as tasks from task where finished = 1 group by state
      union all select state, -tasks from task_change
      union all select state, -tasks from task_total
    ) as found group by state having sum(tasks) <> 0`.execute(db)
  for (const name of REPLACED) await removeIndex(db, dialect, name)
}

/** Each end of a task is a row of its own in `task_change`, so that no two transactions wait for one row; the leader adds them up. */
async function countEnds(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  const id =
    dialect === 'sqlite' ? 'id integer primary key autoincrement' : 'id bigint generated always as identity primary key'
  const statements = [
    'create table if not exists task_total (state text primary key, tasks bigint not null)',
    `create table if not exists task_change (${id}, state text not null, tasks bigint not null)`,
    ...(dialect === 'sqlite' ? SQLITE_TRIGGERS : POSTGRES_TRIGGER),
  ]
  for (const statement of statements) await sql.raw(statement).execute(db)
}

const ADD = 'insert into task_change (state, tasks) values (new.state, 1)'
const SUBTRACT = 'insert into task_change (state, tasks) values (old.state, -1)'
const IS_OTHER = 'old.state <> new.state'

const SQLITE_TRIGGERS = [
  `create trigger if not exists task_begins_end after update of state on task
    when new.finished = 1 and ${IS_OTHER} begin ${ADD}; end`,
  `create trigger if not exists task_was_ended after update of state on task
    when old.finished = 1 and ${IS_OTHER} begin ${SUBTRACT}; end`,
]

const POSTGRES_TRIGGER = [
  `create or replace function task_count() returns trigger language plpgsql as $$
  begin
    if new.finished = 1 then ${ADD}; end if;
    if old.finished = 1 then ${SUBTRACT}; end if;
    return null;
  end $$`,
  'drop trigger if exists task_count on task',
  `create trigger task_count after update of state on task for each row
    when (${IS_OTHER} and (old.finished = 1 or new.finished = 1)) execute function task_count()`,
]
