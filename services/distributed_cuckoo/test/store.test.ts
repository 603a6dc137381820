import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import Sqlite from 'libsql'
import { openStore } from '../src/store/open.js'
import { sqlitePath } from '../src/store/sqlite.js'
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
