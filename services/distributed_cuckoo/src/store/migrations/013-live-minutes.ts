/** The index of what is not over by minutes, as they are asked for: SQLite then counts in its order. PostgreSQL reads columns alone out of an index. */
import type { Kysely } from 'kysely'
import { minuteOf } from './011-minutes.js'
import type { Dialect } from './columns.js'
import { makeIndex, removeIndex } from './online.js'

export async function liveMinutes(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  if (dialect !== 'sqlite') return
  const on = `task (${minuteOf('added_on')}, priority, state)`
  await makeIndex(db, dialect, { name: 'task_live_minute', on, where: 'finished = 0' })
  await removeIndex(db, dialect, 'task_live')
}
