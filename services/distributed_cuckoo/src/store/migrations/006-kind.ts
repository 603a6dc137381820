import type { Kysely } from 'kysely'

/** What kind of sandbox a node was found to be. */
export async function kind(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('node').addColumn('kind', 'text').execute()
}
