/** Changes of a database that is in use: nothing here lets readers or writers wait for long. SQLite's file has no others. */
import { setTimeout as pause } from 'node:timers/promises'
import { errorCode, toError } from '@cuckoo-distributed/core'
import { type Kysely, PostgresAdapter, sql } from 'kysely'
import type { Dialect } from './columns.js'

/** Who waits for a table's lock has all others wait behind it. */
const LOCK_MS = 1000
const PAUSE_MS = 1000
/** A transaction that holds a table for longer is not ours, as the server ends those. */
const TRIES = 300
/** `lock_not_available` (postgresql.org/docs/current/errcodes-appendix.html) */
const LOCKED = '55P03'

export interface IndexOptions {
  readonly name: string
  /** Table and columns. */
  readonly on: string
  readonly where: string
}

/** In one transaction that waits for locks for a second at most, and then begins anew after another one. */
export async function briefly(
  db: Kysely<unknown>,
  dialect: Dialect,
  change: (tx: Kysely<unknown>) => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await db.transaction().execute(async tx => {
        if (dialect === 'postgres') await sql`set local lock_timeout = ${sql.lit(LOCK_MS)}`.execute(tx)
        await change(tx)
      })
      return
    } catch (error: unknown) {
      const codes = [toError(error), toError(toError(error).cause)].map(errorCode)
      if (!codes.includes(LOCKED) || tries === TRIES) throw error
      await pause(PAUSE_MS)
    }
  }
}

/** Makes an index while others write to its table; one that an earlier try has left unfinished is made anew. */
export async function makeIndex(db: Kysely<unknown>, dialect: Dialect, options: IndexOptions): Promise<void> {
  const { name, on, where } = options
  if (dialect === 'postgres') {
    const broken = sql`select from pg_index where indexrelid = to_regclass(${name}) and not indisvalid`
    if ((await broken.execute(db)).rows.length > 0) await removeIndex(db, dialect, name)
  }
  const how = dialect === 'postgres' ? 'concurrently' : ''
  await sql.raw(`create index ${how} if not exists ${name} on ${on} where ${where}`).execute(db)
}

export async function removeIndex(db: Kysely<unknown>, dialect: Dialect, name: string): Promise<void> {
  await sql.raw(`drop index ${dialect === 'postgres' ? 'concurrently' : ''} if exists ${name}`).execute(db)
}

/** The library's own. */
const MIGRATION_LOCK = 3853314791062309107n

/**
 * Whoever waits for the lock of migrations asks for it again and again: an index is made concurrently only once all statements from
 * before have ended, and one that waits for this lock would be such a statement.
 */
export class AskingAdapter extends PostgresAdapter {
  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    const take = sql<{ taken: boolean }>`select pg_try_advisory_lock(${sql.lit(MIGRATION_LOCK)}) as taken`
    while ((await take.execute(db)).rows[0]?.taken !== true) await pause(PAUSE_MS)
  }
}
