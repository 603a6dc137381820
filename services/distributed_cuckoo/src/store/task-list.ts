/** Lists of tasks: the ids of a page out of an index that holds all that is asked for, then the rows of these. */
import { type RawBuilder, sql } from 'kysely'
import type { Task, TaskFilter, TaskState } from './model.js'
import { LISTED_COLUMNS, type ListedRow, toTask } from './rows.js'
import type { Db } from './tables.js'
import { isSqlite, NODE_RUNNING } from './task-rows.js'

const LIVE: readonly TaskState[] = ['pending', 'submitting', 'processing', 'fetching']
const ENDED: readonly TaskState[] = ['finished', 'failed']
const MAX_ROWS = 2 ** 31 - 1

/** As `TaskStore.list`. */
export async function listTasks(db: Db, filter: TaskFilter): Promise<Task[]> {
  const states = statesOf(filter)
  if (states?.length === 0) return []
  return readTasks(db, pageOf(filter, states), order(filter, 'task'))
}

const LISTED = [
  ...LISTED_COLUMNS.map(column => [column, `task.${column}`]),
  ['node_name', 'node.name'],
  ['node_running', NODE_RUNNING],
  ['pin_name', 'pin.name'],
]
const COLUMNS = sql.raw(LISTED.map(([name, value]) => `${value} as ${name}`).join(', '))
/** A task as one text: SQLite's driver takes three times as long for the columns one by one. PostgreSQL would take longer to make the text. */
const TEXT = sql.raw(`json_object(${LISTED.map(([name, value]) => `'${name}', ${value}`).join(', ')}) as task`)

/** The tasks whose ids these are, with the names of their nodes, in this order. */
export async function readTasks(db: Db, ids: RawBuilder<unknown>, order: RawBuilder<unknown>): Promise<Task[]> {
  // SQLite takes the tables of a cross join in this order: it would read all tasks to spare the sorting of a page.
  const tables = sql`from (${ids}) as page cross join task
    left join node on node.id = task.node_id left join node as pin on pin.id = task.pin_node
    where task.id = page.id order by ${order}`
  if (!isSqlite(db)) return (await sql<ListedRow>`select ${COLUMNS} ${tables}`.execute(db)).rows.map(toTask)
  const { rows } = await sql<{ task: string }>`select ${TEXT} ${tables}`.execute(db)
  return rows.map(({ task }) => toTask(JSON.parse(task)))
}

/** Undefined: all but deleted ones, by id alone. With other filters each state has a place of its own in an index. */
function statesOf({ states, finished, completedAfter, owner }: TaskFilter): readonly TaskState[] | undefined {
  const all = finished === undefined ? [...LIVE, ...ENDED] : finished ? ENDED : LIVE
  const possible = completedAfter === undefined ? all : all.filter(state => ENDED.includes(state))
  if (states !== undefined)
    return finished === undefined && completedAfter === undefined
      ? states
      : states.filter(state => possible.includes(state))
  return possible.length === all.length && finished === undefined && owner === undefined ? undefined : possible
}

/** Of each state as many as the page may need, out of which come the first of all. */
function pageOf(filter: TaskFilter, states: readonly TaskState[] | undefined): RawBuilder<unknown> {
  const { limit = MAX_ROWS, offset = 0 } = filter
  const [one, ...others] = states ?? [undefined]
  if (others.length === 0) return ids(filter, one, { limit, offset })
  const most = Math.min(limit + offset, MAX_ROWS)
  const parts = (states ?? []).map(
    state => sql`select * from (${ids(filter, state, { limit: most, offset: 0 })}) as part`,
  )
  return sql`select * from (${sql.join(parts, sql` union all `)}) as parts
    order by ${order(filter, 'parts')} limit ${limit} offset ${offset}`
}

function ids(
  filter: TaskFilter,
  state: TaskState | undefined,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): RawBuilder<unknown> {
  const columns = filter.completedAfter === undefined ? sql`id` : sql`completed_on, id`
  // The planner of SQLite knows the index of a state only by a constant.
  const ofState = state === undefined ? sql`state <> 'deleted'` : sql`state = ${sql.lit(state)}`
  return sql`select ${columns} from task where ${sql.join([ofState, ...conditions(filter)], sql` and `)}
    order by ${order(filter, 'task')} limit ${limit} offset ${offset}`
}

function conditions({ owner, priority, sha256, md5, completedAfter, after }: TaskFilter): RawBuilder<unknown>[] {
  const found: RawBuilder<unknown>[] = []
  if (owner !== undefined) found.push(sql`owner = ${owner}`)
  if (priority !== undefined) found.push(sql`priority = ${priority}`)
  if (sha256 !== undefined) found.push(sql`sha256 = ${sha256}`)
  if (md5 !== undefined) found.push(sql`md5 = ${md5}`)
  if (completedAfter !== undefined) found.push(sql`finished = 1 and completed_on >= ${completedAfter}`)
  if (after === undefined) return found
  if (completedAfter === undefined) found.push(sql`id > ${after.id}`)
  else found.push(sql`(completed_on, id) > (${after.completedOn}, ${after.id})`)
  return found
}

function order({ completedAfter }: TaskFilter, table: string): RawBuilder<unknown> {
  const id = sql.ref(`${table}.id`)
  return completedAfter === undefined ? id : sql`${sql.ref(`${table}.completed_on`)}, ${id}`
}
