import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { TcpProxy, waitFor } from '@cuckoo-distributed/testing'
import { StoreError } from '../src/store/errors.js'
import { openStore } from '../src/store/open.js'
import { startPostgres, type TestPostgres } from './postgres.js'
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

  test('one process leads; the next takes over when it gives up', async () => {
    const url = await server.createDatabase()
    await using first = await openStore({ url, keepSamples: false, log })
    await using second = await openStore({ url, keepSamples: false, log })
    const ended = new AbortController()
    const leadership = await first.lead(ended.signal)
    let taken = false
    const waiting = second.lead(ended.signal).then(next => {
      taken = true
      return next
    })
    const attempt = new AbortController()
    const third = second.lead(attempt.signal)
    attempt.abort(new Error('no more'))
    await assert.rejects(third, /no more/)
    assert.equal(taken, false)
    await leadership[Symbol.asyncDispose]()
    await (await waiting)[Symbol.asyncDispose]()
  })

  test('a leader whose connection is cut knows it, and the store goes on', async () => {
    const url = await server.createDatabase()
    await using store = await openStore({ url, keepSamples: false, log })
    const ended = new AbortController()
    const leadership = await store.lead(ended.signal)
    await server.cutConnections(url)
    await waitFor(() => leadership.lost.aborted, { describe: 'the leader to notice' })
    await leadership[Symbol.asyncDispose]()
    const counts = () => store.tasks.counts().catch(() => undefined)
    await waitFor(counts, { describe: 'the store to answer again' })
    await using _again = await store.lead(ended.signal)
  })

  test('a leader whose connection is dead without a word knows it, and gives up', async t => {
    const url = new URL(await server.createDatabase())
    const proxy = await TcpProxy.start({ port: Number(url.port) })
    t.after(() => proxy.close())
    url.port = String(proxy.port)
    await using store = await openStore({ url: url.href, keepSamples: false, log })
    const leadership = await store.lead(new AbortController().signal)
    proxy.stall()
    await waitFor(() => leadership.lost.aborted, { deadlineMs: 30_000, describe: 'the leader to notice' })
    await leadership[Symbol.asyncDispose]()
    proxy.cut()
    proxy.resume()
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
