import type { Kysely } from 'kysely'

/** Why a report is missing, whether it may come yet, and which node a task had better not go to again. */
export async function missingReports(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('report').addColumn('reason', 'text').execute()
  await db.schema
    .alterTable('report')
    .addColumn('retry', 'integer', column => column.notNull().defaultTo(0))
    .execute()
  await db.schema.alterTable('task').addColumn('avoid_node', 'bigint').execute()
}
