import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { startPostgres, type TestPostgres } from '@cuckoo-distributed/testing'
import { StoreError } from '../src/store/errors.js'
import { openStore } from '../src/store/open.js'
import { testStore } from './store-claims.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })

describe('in PostgreSQL', () => {
  let server: TestPostgres
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.stop())

  testStore(() => server.createDatabase())

  test('several processes that start at once agree on the tables and on the id', async () => {
    const url = await server.createDatabase()
    const stores = await Promise.all([1, 2, 3, 4].map(() => openStore({ url, keepSamples: false, log })))
    assert.equal(new Set(stores.map(store => store.id)).size, 1)
    for (const store of stores) await store[Symbol.asyncDispose]()
  })

  test('a server that does not answer is an error at start that shows no password', async () => {
    const url = 'postgres://user:secret@127.0.0.1:1/x'
    await assert.rejects(openStore({ url, keepSamples: false, log }), (error: unknown) => {
      assert(error instanceof StoreError)
      assert.match(error.message, /ECONNREFUSED/)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  })
})
