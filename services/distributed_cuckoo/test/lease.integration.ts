/** Who schedules when servers share one PostgreSQL, and what becomes of the one that does not know that it is over. */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { startPostgres, TcpProxy, type TestPostgres, waitFor } from '@cuckoo-distributed/testing'
import pg from 'pg'
import { openStore } from '../src/store/open.js'
import type { Store } from '../src/store/store.js'
import { NOW, TASK } from './store-scene.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const { signal } = new AbortController()

describe('the lease', () => {
  let server: TestPostgres
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.stop())

  async function open(t: TestContext, url: string): Promise<Store> {
    const store = await openStore({ url, keepSamples: false, log })
    t.after(() => store[Symbol.asyncDispose]())
    return store
  }

  async function query(t: TestContext, url: string) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    t.after(() => client.end())
    return (sql: string) => client.query(sql)
  }

  async function leads(store: Store) {
    const attempt = new AbortController()
    return waitFor(() => store.lead(attempt.signal), { describe: 'the next leader' })
  }

  test('is held by one process; the next takes over when it gives up', async t => {
    const url = await server.createDatabase()
    const [first, second] = [await open(t, url), await open(t, url)]
    const leadership = await first.lead(signal)
    const attempt = new AbortController()
    const third = second.lead(attempt.signal)
    attempt.abort(new Error('no more'))
    await assert.rejects(third, /no more/)
    const waiting = second.lead(signal)
    leadership.look()
    await leadership[Symbol.asyncDispose]()
    assert.throws(() => leadership.look(), { code: 'LEADERSHIP_LOST' })
    await (await waiting)[Symbol.asyncDispose]()
  })

  test('outlives connections that are cut, for which nobody has to be replaced', async t => {
    const url = await server.createDatabase()
    const store = await open(t, url)
    const leadership = await store.lead(signal)
    const ask = await query(t, url)
    const until = async () => String((await ask('select until from lease')).rows[0]?.until.getTime())
    for (let i = 0; i < 2; i += 1) {
      await ask('select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()')
      const before = await until()
      await waitFor(async () => (await until()) !== before, { describe: 'the lease to be renewed' })
    }
    leadership.look()
    await leadership[Symbol.asyncDispose]()
  })

  for (const [silence, fall] of [
    ['is silent', (proxy: TcpProxy) => proxy.stall()],
    ['is gone', (proxy: TcpProxy) => proxy.close()],
  ] as const) {
    test(`ends when the way to the database ${silence}: its holder knows before another has it`, async t => {
      const url = await server.createDatabase()
      const proxy = await TcpProxy.start({ port: Number(new URL(url).port) })
      t.after(() => proxy.close())
      const [cutOff, other] = [await open(t, proxy.through(url)), await open(t, url)]
      const leadership = await cutOff.lead(signal)
      fall(proxy)
      const next = await leads(other)
      assert(leadership.lost.aborted)
      assert.throws(() => leadership.look(), { code: 'LEADERSHIP_LOST' })
      await next[Symbol.asyncDispose]()
      proxy.close()
    })
  }

  test('refuses whatever its former holder still changes, which hears of it by that', async t => {
    const url = await server.createDatabase()
    const [former, other] = [await open(t, url), await open(t, url)]
    const node = await former.nodes.register('n1', 'http://a/', [])
    const ids = [await former.tasks.create(TASK, NOW), await former.tasks.create(TASK, NOW)]
    const leadership = await former.lead(signal)
    const submission = await leadership.dispatch.begin(ids[0] ?? 0, node.id, NOW)
    assert(submission)
    // As if the process had been stopped for so long that the lease is over, and did not know yet.
    const ask = await query(t, url)
    await ask(`update lease set until = clock_timestamp() - interval '1 hour'`)
    const next = await leads(other)
    const { dispatch } = leadership
    for (const change of [
      () => dispatch.begin(ids[1] ?? 0, node.id, NOW),
      () => dispatch.accepted(submission.id, 7, NOW),
      () => dispatch.fail(ids[1] ?? 0, 'no', NOW),
      () => dispatch.recover(),
    ]) {
      await assert.rejects(change, { code: 'LEADERSHIP_LOST' })
    }
    assert(leadership.lost.aborted)
    const states = (await other.tasks.list({})).map(({ state }) => state)
    assert.deepEqual(states, ['submitting', 'pending'])
    assert.equal((await next.dispatch.accepted(submission.id, 7, NOW))?.nodeTaskId, 7)
    await next[Symbol.asyncDispose]()
  })

  test('is not taken in the middle of a transaction of its holder', async t => {
    const url = await server.createDatabase()
    const other = await open(t, url)
    const ask = await query(t, url)
    await ask('begin')
    await ask('select epoch from lease where epoch = 0 for key share')
    let taken = false
    const waiting = other.lead(signal).then(next => {
      taken = true
      return next
    })
    // Another connection: a transaction sees the same activity again.
    const look = await query(t, url)
    await waitFor(async () => (await blocked(look)) > 0, { describe: 'the next leader to wait' })
    assert.equal(taken, false)
    await ask('commit')
    await (await waiting)[Symbol.asyncDispose]()
  })

  test('of a process that was stopped in the middle of a transaction is taken all the same', async t => {
    const url = await server.createDatabase()
    const [stopped, other] = [await open(t, url), await open(t, url)]
    const ask = await query(t, url)
    const proxy = await TcpProxy.start({ port: Number(new URL(url).port) })
    t.after(() => proxy.close())
    const cutOff = await open(t, proxy.through(url))
    await stopped.tasks.create(TASK, NOW)
    const leadership = await cutOff.lead(signal)
    // Held up by another's lock, its transaction is open when the connection falls silent.
    await ask('begin')
    await ask('update task set attempt = attempt')
    const change = leadership.dispatch.fail(1, 'no', NOW).catch((error: unknown) => error)
    const look = await query(t, url)
    await waitFor(async () => (await blocked(look)) > 0, { describe: 'the leader to wait for the lock' })
    proxy.stall()
    await ask('commit')
    const next = await leads(other)
    await next.dispatch.recover()
    await next[Symbol.asyncDispose]()
    proxy.close()
    assert(await change)
  })

  test('does not go by clocks of servers, nor by a clock of the database that was set back', async t => {
    const url = await server.createDatabase()
    const real = Date.now
    t.after(() => {
      Date.now = real
    })
    Date.now = () => real() + 3_600_000
    const store = await open(t, url)
    assert(Math.abs(store.now() - real()) < 60_000, 'the time is that of the database')
    const ask = await query(t, url)
    // What a lease looks like that was given before the clock went back an hour.
    await ask(`update lease set epoch = 7, until = clock_timestamp() + interval '1 hour'`)
    const next = await leads(store)
    assert(Math.abs(store.now() - real()) < 60_000)
    await next[Symbol.asyncDispose]()
  })
})

async function blocked(ask: (sql: string) => Promise<pg.QueryResult>): Promise<number> {
  const { rows } = await ask(`select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock'`)
  return rows[0]?.n
}
