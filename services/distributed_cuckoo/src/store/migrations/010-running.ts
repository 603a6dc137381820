import type { Kysely } from 'kysely'

/** Which tasks a node runs, and since when: written with its status, so that no task is changed for it. */
export async function running(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('node').addColumn('running', 'text').execute()
}
