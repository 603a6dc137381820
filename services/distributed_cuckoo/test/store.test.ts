import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { CompiledQuery, Kysely, SqliteDialect } from 'kysely'
import Sqlite from 'libsql'
import { openStore } from '../src/store/open.js'
import { openSqlite, sqlitePath } from '../src/store/sqlite.js'
import type { Tables } from '../src/store/tables.js'
import { testMillion, testWrites } from './million-claims.js'
import { testRecount } from './recount-claims.js'
import { testStore } from './store-claims.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })

describe('in SQLite', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'store-'))
  })
  after(() => rm(folder, { recursive: true, maxRetries: 10 }))
  const databaseFile = () => join(folder, `${randomUUID()}.db`)

  testStore(async () => `sqlite:///${databaseFile()}`)

  testWrites(async () => databaseFile(), openSqlite)

  testRecount(async () => databaseFile(), openSqlite)

  testMillion(async () => databaseFile(), {
    // Not as the store does: the driver does not end statements that explain.
    openDatabase: file => new Kysely<Tables>({ dialect: new SqliteDialect({ database: new Sqlite(file) }) }),
    async check(db, query) {
      const explain = CompiledQuery.raw(`explain query plan ${query.sql}`, [...query.parameters])
      const plan = (await db.executeQuery<{ detail: string }>(explain)).rows.map(({ detail }) => detail).join('\n')
      assert.notEqual(plan, '')
      // Either a place in an index that holds all that is asked for, or rows by their ids; of a digest there are few. SQLite does not call
      // an index covering of which an expression is asked for.
      assert.doesNotMatch(
        plan,
        /SCAN task\b(?! USING)|USING INDEX (?!task_(sha256|live_minute)\b|task_ended \(state=\? AND completed_on>\? AND completed_on<\?\))/,
        `${query.sql}\n${plan}`,
      )
      assert.doesNotMatch(plan, /SCAN task.*TEMP B-TREE.*SCAN live/s, 'what is not over would be sorted')
    },
  })

  test('a file belongs to one process at a time', async () => {
    const url = databaseFile()
    const first = await openStore({ url, keepSamples: false, log })
    await assert.rejects(openStore({ url, keepSamples: false, log }), { code: 'STORE_IN_USE' })
    await first[Symbol.asyncDispose]()
    await (await openStore({ url, keepSamples: false, log }))[Symbol.asyncDispose]()
  })

  test('the tables of another program are left alone', async () => {
    const file = databaseFile()
    const other = new Sqlite(file)
    other.exec('create table task (id integer primary key, path text)')
    other.close()
    await assert.rejects(openStore({ url: file, keepSamples: false, log }), /another program.*--db/)
  })

  test('a URL is read as SQLAlchemy reads it', () => {
    assert.equal(sqlitePath('sqlite:///dist.db'), 'dist.db')
    assert.equal(sqlitePath('sqlite:////var/dist.db'), '/var/dist.db')
    assert.equal(sqlitePath('sqlite://'), ':memory:')
    assert.equal(sqlitePath('/var/dist.db'), '/var/dist.db')
  })
})
