/** SQLite: one file, one process. */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { describeError, errorCode } from '@cuckoo-distributed/core'
import { Kysely, type SqliteDatabase, SqliteDialect, sql } from 'kysely'
import type Sqlite from 'libsql'
import { StoreError } from './errors.js'
import type { Tables } from './tables.js'

const MEMORY = ':memory:'
/** Statements that are kept prepared; the queries here have some 60 texts. */
const MAX_PREPARED = 200

/**
 * Opens or makes the file and takes it for this process, until it ends in whatever way. A commit is on disk when it resolves.
 *
 * @throws StoreError, STORE_IN_USE when another process has it.
 */
export async function openSqlite(path: string): Promise<Kysely<Tables>> {
  const Driver = await loadDriver()
  let database: Sqlite.Database | undefined
  try {
    if (path !== MEMORY) mkdirSync(dirname(path), { recursive: true })
    database = new Driver(path)
    // Exclusive before WAL: SQLite then keeps the lock of the file and needs no shared memory (sqlite.org/wal.html, §8).
    for (const pragma of [
      'locking_mode = exclusive',
      'journal_mode = wal',
      'synchronous = full',
      'foreign_keys = on',
    ]) {
      database.exec(`pragma ${pragma}`)
    }
    // The lock is taken with the first write.
    database.exec('begin immediate; commit')
  } catch (error: unknown) {
    database?.close()
    const busy = errorCode(error).startsWith('SQLITE_BUSY')
    if (busy) throw new StoreError('STORE_IN_USE', `${path} is used by another process`, { cause: error })
    const problem = isDirectory(path) ? 'it is a directory' : describeError(error)
    throw new StoreError('STORE', `${path} cannot be used: ${problem}`, { cause: error })
  }
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: closable(database) }) })
}

/** Its native part is a file of its own, which only SQLite needs. */
async function loadDriver(): Promise<typeof Sqlite> {
  try {
    return (await import('libsql')).default
  } catch (error: unknown) {
    throw new StoreError('STORE', 'libsql.node, which belongs beside distributed_cuckoo.mjs, cannot be loaded', {
      cause: error,
    })
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/**
 * The driver keeps the file open, and so its lock, until the last prepared statement is garbage; the lock has to be given up before.
 * With WAL begun under an exclusive lock that takes leaving WAL (sqlite.org/pragma.html, locking_mode).
 */
function closable(database: Sqlite.Database): SqliteDatabase {
  const prepared = new Map<string, Sqlite.Statement>()
  return {
    prepare(sql) {
      const known = prepared.get(sql)
      if (known !== undefined) return known
      // Lists of values make texts without end.
      if (prepared.size >= MAX_PREPARED) prepared.clear()
      const statement = database.prepare(sql)
      prepared.set(sql, statement)
      return statement
    },
    close() {
      prepared.clear()
      for (const sql of ['pragma journal_mode = delete', 'pragma locking_mode = normal']) database.exec(sql)
      database.prepare('select count(*) from sqlite_schema').all()
      database.close()
    },
  }
}

/** What is wrong with a file that is there already, in words. */
export async function sqliteProblems(path: string): Promise<string[]> {
  if (path === MEMORY || !existsSync(path)) return []
  try {
    const db = await openSqlite(path)
    await sql`select 1`.execute(db) // what was never used is not closed
    await db.destroy()
    return []
  } catch (error: unknown) {
    return [describeError(error)]
  }
}

/** The file that a URL means, as SQLAlchemy reads it: three slashes a relative path, four an absolute one, none memory. */
export function sqlitePath(url: string): string {
  return decodeURIComponent(url.replace(/^sqlite:\/\/\/?/, '')) || MEMORY
}
