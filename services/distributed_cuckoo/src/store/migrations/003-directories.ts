import { type Kysely, sql } from 'kysely'

/** Whether the directories were marked once, so that one without its marker is known for one that is away. Who has tasks has marked them. */
export async function directories(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('cluster')
    .addColumn('has_directories', 'integer', column => column.notNull().defaultTo(0))
    .execute()
  await sql`update cluster set has_directories = 1 where exists (select 1 from task)`.execute(db)
}
