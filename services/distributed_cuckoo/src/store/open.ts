import { dirname } from 'node:path'
import { describeError, type Logger, type Look, spaceLook } from '@cuckoo-distributed/core'
import { expressionBuilder, Migrator, sql } from 'kysely'
import { SqlDispatchStore } from './dispatch-store.js'
import { StoreError } from './errors.js'
import { alone, shared } from './leading.js'
import type { Dialect } from './migrations/columns.js'
import { migrations } from './migrations/index.js'
import { SqlNodeStore } from './node-store.js'
import { OldTasks } from './old-tasks.js'
import { openPostgres, PATIENT, postgresProblems, USUAL } from './postgres.js'
import { openSqlite, sqlitePath, sqliteProblems } from './sqlite.js'
import { Statistics } from './statistics.js'
import type { ObsoleteFile, ObsoleteFiles, Store } from './store.js'
import type { Db, Tables } from './tables.js'
import { SqlTaskStore } from './task-store.js'

export interface StoreOptions {
  /** `sqlite:///relative`, `sqlite:////absolute`, a path, `postgres://…` or `postgresql://…`. */
  readonly url: string
  /** True: the sample of a finished or failed task is kept until the task is deleted. */
  readonly keepSamples: boolean
  readonly log: Logger
}

/**
 * Opens the database and brings its tables up to date.
 *
 * @throws StoreError, STORE_IN_USE when another process has the SQLite file. No message shows a password.
 */
export async function openStore({ url, keepSamples, log }: StoreOptions): Promise<Store> {
  const dialect = dialectOf(url)
  const db = dialect === 'postgres' ? openPostgres(url, log, USUAL) : await openSqlite(sqlitePath(url))
  try {
    if (dialect === 'sqlite') await migrate(db, dialect)
    else await migratePatiently(url, log)
    const dispatch = new SqlDispatchStore(db, keepSamples)
    const leading =
      dialect === 'sqlite' ? alone(dispatch) : shared({ url, log, db, keepSamples, time: await serverTime(db) })
    const { store_id: id } = await db.selectFrom('cluster').select('store_id').executeTakeFirstOrThrow()
    return {
      id,
      nodes: new SqlNodeStore(db),
      tasks: new SqlTaskStore(db),
      dispatch,
      files: obsoleteFiles(db),
      statistics: new Statistics(db),
      oldTasks: new OldTasks(db),
      lead: signal => leading.lead(signal),
      now: () => leading.now(),
      lastCycle: async () =>
        (await db.selectFrom('cluster').select('last_cycle').executeTakeFirst())?.last_cycle ?? null,
      hasDirectories: async () =>
        (await db.selectFrom('cluster').select('has_directories').executeTakeFirst())?.has_directories === 1,
      async recordDirectories() {
        await db.updateTable('cluster').set({ has_directories: 1 }).execute()
      },
      async recordCycle(at) {
        await db.updateTable('cluster').set({ last_cycle: at }).execute()
      },
      async [Symbol.asyncDispose]() {
        await leading[Symbol.asyncDispose]()
        await db.destroy()
      },
    }
  } catch (error: unknown) {
    await db.destroy()
    if (error instanceof StoreError) throw error
    throw new StoreError('STORE', `the database cannot be used: ${describeError(error)}`, { cause: error })
  }
}

function dialectOf(url: string): Dialect {
  return /^postgres(ql)?:\/\//.test(url) ? 'postgres' : 'sqlite'
}

/** For `--connect`: the database, and the directory of its file. */
export function storeLooks(url: string): Look[] {
  if (dialectOf(url) === 'postgres') {
    const { host, pathname } = new URL(url)
    return [{ what: `database ${host}${pathname}`, problems: () => postgresProblems(url) }]
  }
  const path = sqlitePath(url)
  return [
    { what: `database ${path}`, problems: () => sqliteProblems(path) },
    spaceLook('Database', dirname(path), SQLITE_SPACE),
  ]
}

const SQLITE_SPACE = 64 * 2 ** 20

/** Without the usual limits: a large table takes long to change. */
async function migratePatiently(url: string, log: Logger): Promise<void> {
  const db = openPostgres(url, log, PATIENT)
  try {
    await migrate(db, 'postgres')
  } finally {
    await db.destroy()
  }
}

async function serverTime(db: Db): Promise<number> {
  const { rows } = await sql<{
    now: number
  }>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`.execute(db)
  return rows[0]?.now ?? Date.now()
}

async function migrate(db: Db, dialect: Dialect): Promise<void> {
  const tables = (await db.introspection.getTables()).map(table => table.name)
  if (tables.includes('task') && !tables.includes('cluster')) {
    throw new StoreError(
      'STORE',
      'the database holds tables of another program, such as the original dist.py: name another with --db',
    )
  }
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrations(dialect) },
    disableTransactions: true,
  })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw error
}

function obsoleteFiles(db: Db): ObsoleteFiles {
  return {
    obsolete(limit, after) {
      let query = db.selectFrom('obsolete_file').selectAll().orderBy('kind').orderBy('path').limit(limit)
      if (after !== undefined) {
        const { kind, path } = after
        const { or, and, eb } = expressionBuilder<Tables, 'obsolete_file'>()
        query = query.where(or([eb('kind', '>', kind), and([eb('kind', '=', kind), eb('path', '>', path)])]))
      }
      return query.execute()
    },
    async removed(files: readonly ObsoleteFile[]) {
      await db.transaction().execute(async tx => {
        for (const { kind, path } of files) {
          await tx.deleteFrom('obsolete_file').where('kind', '=', kind).where('path', '=', path).execute()
        }
      })
    },
  }
}
