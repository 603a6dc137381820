import type { Kysely } from 'kysely'

/** When a task began to run on its node. */
export async function laterApi(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('task').addColumn('running_on', 'bigint').execute()
}
