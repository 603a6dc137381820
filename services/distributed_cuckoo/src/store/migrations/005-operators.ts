import type { Kysely } from 'kysely'

/** The node that a task is pinned to, why it was tried again, and how far its node says that it is. */
export async function operators(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('task').addColumn('pin_node', 'bigint').execute()
  await db.schema.alterTable('task').addColumn('retries', 'text').execute()
  await db.schema.alterTable('task').addColumn('node_state', 'text').execute()
}
