import { randomUUID } from 'node:crypto'
import { type ColumnDataType, type Kysely, sql } from 'kysely'
import { type Dialect, withId } from './columns.js'

/** Everything of version 1.0. Frozen: later changes are further migrations. */
export async function initial(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  await createNodes(db, dialect)
  await createTasks(db, dialect)
  await createSubmissions(db, dialect)
  await db.schema
    .createTable('report')
    .addColumn('task_id', 'bigint', column => column.notNull().references('task.id').onDelete('cascade'))
    .addColumn('format', 'text', column => column.notNull())
    .addColumn('size', 'bigint')
    .addPrimaryKeyConstraint('report_key', ['task_id', 'format'])
    .execute()
  await db.schema
    .createTable('wait_reason')
    .addColumn('requirement', 'text', column => column.primaryKey())
    .addColumn('reason', 'text', column => column.notNull())
    .execute()
  await db.schema
    .createTable('obsolete_file')
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('path', 'text', column => column.notNull())
    .addPrimaryKeyConstraint('obsolete_file_key', ['kind', 'path'])
    .execute()
  await db.schema
    .createTable('cluster')
    .addColumn('store_id', 'text', column => column.primaryKey())
    .addColumn('last_cycle', 'bigint')
    .execute()
  await sql`insert into cluster (store_id) values (${randomUUID()})`.execute(db)
}

async function createNodes(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  await withId(db.schema.createTable('node'), dialect)
    .addColumn('name', 'text', column => column.notNull().unique())
    .addColumn('url', 'text', column => column.notNull())
    .addColumn('base_url', 'text', column => column.notNull().unique())
    .addColumn('enabled', 'integer', column => column.notNull())
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('last_seen', 'bigint')
    .addColumn('last_error', 'text')
    .addColumn('failures', 'integer', column => column.notNull())
    .addColumn('counters', 'text')
    .addColumn('free_bytes', 'bigint')
    .execute()
  await db.schema
    .createTable('machine')
    .addColumn('node_id', 'bigint', column => column.notNull().references('node.id').onDelete('cascade'))
    .addColumn('position', 'integer', column => column.notNull())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('platform', 'text', column => column.notNull())
    .addColumn('tags', 'text', column => column.notNull())
    .execute()
  await db.schema.createIndex('machine_node').on('machine').column('node_id').execute()
}

const TASK_COLUMNS: readonly (readonly [name: string, type: ColumnDataType])[] = [
  ['filename', 'text'],
  ['url', 'text'],
  ['sample_path', 'text'],
  ['sample_size', 'bigint'],
  ['md5', 'text'],
  ['sha256', 'text'],
  ['package', 'text'],
  ['timeout', 'bigint'],
  ['options', 'text'],
  ['machine', 'text'],
  ['platform', 'text'],
  ['tags', 'text'],
  ['custom', 'text'],
  ['memory', 'text'],
  ['clock', 'text'],
  ['enforce_timeout', 'integer'],
  ['owner', 'text'],
  ['submission_id', 'bigint'],
  ['node_task_id', 'bigint'],
  ['error', 'text'],
  ['started_on', 'bigint'],
  ['completed_on', 'bigint'],
]

async function createTasks(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  let table = withId(db.schema.createTable('task'), dialect)
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('finished', 'integer', column => column.notNull())
    .addColumn('priority', 'bigint', column => column.notNull())
    .addColumn('requirement', 'text', column => column.notNull())
    .addColumn('attempt', 'integer', column => column.notNull())
    .addColumn('requeues', 'integer', column => column.notNull())
    .addColumn('node_id', 'bigint', column => column.references('node.id'))
    .addColumn('not_before', 'bigint', column => column.notNull())
    .addColumn('added_on', 'bigint', column => column.notNull())
  for (const [name, type] of TASK_COLUMNS) table = table.addColumn(name, type)
  await table.execute()
  const index = (name: string, columns: string[]) => db.schema.createIndex(name).on('task').columns(columns).execute()
  await index('task_state', ['state', 'id'])
  await index('task_finished', ['finished', 'id'])
  await index('task_queue', ['state', 'requirement', 'priority desc', 'id'])
  await index('task_completed', ['state', 'completed_on'])
  await index('task_sha256', ['sha256'])
  await index('task_md5', ['md5'])
  await index('task_sample_path', ['sample_path'])
}

async function createSubmissions(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  await withId(db.schema.createTable('submission'), dialect)
    .addColumn('task_id', 'bigint', column => column.notNull().references('task.id'))
    .addColumn('attempt', 'integer', column => column.notNull())
    .addColumn('node_id', 'bigint', column => column.notNull().references('node.id'))
    .addColumn('node_task_id', 'bigint')
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('custom', 'text', column => column.notNull())
    .addColumn('sha256', 'text')
    .addColumn('begun_on', 'bigint', column => column.notNull())
    .addUniqueConstraint('submission_attempt', ['task_id', 'attempt'])
    .execute()
  await db.schema.createIndex('submission_node').on('submission').columns(['node_id', 'node_task_id']).execute()
}
