import type { Kysely } from 'kysely'

/** How many pending tasks a node may have, where that is less than for all. */
export async function nodeLimit(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('node').addColumn('max_pending', 'integer').execute()
}
