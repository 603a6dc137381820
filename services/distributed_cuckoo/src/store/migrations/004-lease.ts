import { type Kysely, sql } from 'kysely'
import type { Dialect } from './columns.js'

/** Who schedules, and until when by the database's clock. A SQLite file has one process. */
export async function lease(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return
  await db.schema
    .createTable('lease')
    .addColumn('epoch', 'bigint', column => column.notNull())
    .addColumn('until', 'timestamptz', column => column.notNull())
    .execute()
  await sql`insert into lease (epoch, until) values (0, clock_timestamp())`.execute(db)
}
