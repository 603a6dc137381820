/** A server of the version before goes on while the tables change under it, and after that. */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { startPostgres, type TestPostgres, waitFor } from '@cuckoo-distributed/testing'
import { Migrator } from 'kysely'
import pg from 'pg'
import { migrations } from '../src/store/migrations/index.js'
import { openStore } from '../src/store/open.js'
import { openPostgres, USUAL } from '../src/store/postgres.js'
import { NOW } from './store-scene.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const REQUIREMENT = '["windows",null]'

describe('a rolling upgrade', () => {
  let server: TestPostgres
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.stop())

  /** The tables as migrations up to 007 make them. */
  async function oldDatabase(): Promise<string> {
    const url = await server.createDatabase()
    const db = openPostgres(url, log, { ...USUAL, connections: 2 })
    const known = Object.fromEntries(Object.entries(migrations('postgres')).filter(([name]) => name < '008'))
    const migrator = new Migrator({ db, provider: { getMigrations: async () => known }, disableTransactions: true })
    const { error } = await migrator.migrateToLatest()
    await db.destroy()
    assert.equal(error, undefined)
    return url
  }

  /** With time-outs, as a server has them, so that waiting for the end of the migration is a failure. */
  async function connect(t: TestContext, url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url, lock_timeout: 20_000, statement_timeout: 30_000 })
    await client.connect()
    t.after(() => client.end())
    return client
  }

  /** One task from its submission to its end, as version 007 writes it. */
  async function oldLife(client: pg.Client, end: 'finished' | 'failed'): Promise<void> {
    const insert = `insert into task (state, finished, priority, requirement, attempt, requeues, not_before, added_on)
      values ('pending', 0, 1, $1, 0, 0, 0, $2) returning id`
    const id: unknown = (await client.query(insert, [REQUIREMENT, NOW])).rows[0].id
    await client.query('begin')
    await client.query('update task set attempt = attempt where id = $1', [id])
    await client.query("update task set state = 'processing', finished = 0 where id = $1", [id])
    await client.query('commit')
    await client.query('update task set state = $2, finished = 1, completed_on = $3 where id = $1', [id, end, NOW])
  }

  test('nothing that a server of before does fails or waits, and all that it ends is counted', async t => {
    const url = await oldDatabase()
    const [writer, reader] = [await connect(t, url), await connect(t, url)]
    for (let i = 0; i < 50; i += 1) await oldLife(writer, i % 10 === 0 ? 'failed' : 'finished')
    const over = new AbortController()
    let [written, read] = [0, 0]
    const old = async () => {
      for (; !over.signal.aborted; written += 1) await oldLife(writer, written % 10 === 0 ? 'failed' : 'finished')
    }
    const look = async () => {
      for (; !over.signal.aborted; read += 1)
        await reader.query("select * from task where state = 'finished' order by id")
    }
    const beside = Promise.all([old(), look()])
    beside.catch(() => over.abort())
    await waitFor(() => written > 2 && read > 2, { describe: 'the server of before to be at work' })
    const stores = await Promise.all([1, 2].map(() => openStore({ url, keepSamples: false, log })))
    t.after(() => Promise.all(stores.map(store => store[Symbol.asyncDispose]())))
    const [store] = stores
    assert(store !== undefined)
    const [writtenThen, readThen] = [written, read]
    await waitFor(() => over.signal.aborted || (written > writtenThen + 5 && read > readThen + 5), {
      describe: 'the server of before to be at work still',
    })
    over.abort()
    await beside
    const { finished, failed } = await store.tasks.counts()
    const all = await reader.query('select state, count(*)::int as n from task group by state order by state')
    assert.deepEqual(all.rows, [
      { state: 'failed', n: failed },
      { state: 'finished', n: finished },
    ])
    assert.deepEqual(await store.dispatch.recount(t.signal), {})
    await store.dispatch.foldCounts()
    assert.deepEqual(await store.tasks.counts(), { ...(await store.tasks.counts()), finished, failed })
  })

  test('a task that a server of before has put back is sent by one of now, and one of now by one of before', async t => {
    const url = await oldDatabase()
    const old = await connect(t, url)
    const store = await openStore({ url, keepSamples: false, log })
    t.after(() => store[Symbol.asyncDispose]())
    await old.query(`insert into task (state, finished, priority, requirement, attempt, requeues, not_before, added_on)
      values ('pending', 0, 1, '${REQUIREMENT}', 1, 1, ${NOW}, ${NOW})`)
    assert.deepEqual(await store.dispatch.pendingRequirements('', 9), [])
    await store.dispatch.release(NOW)
    assert.deepEqual(await store.dispatch.pendingRequirements('', 9), [REQUIREMENT])
    assert.equal((await store.dispatch.nextPending([REQUIREMENT], 9)).length, 1)
    const seen = await old.query('select id from task where state = $1 and requirement = $2 and not_before <= $3', [
      'pending',
      REQUIREMENT,
      NOW,
    ])
    assert.equal(seen.rows.length, 1)
  })

  test('an index that an earlier try has left unfinished is made anew', async t => {
    const url = await oldDatabase()
    const client = await connect(t, url)
    await client.query('create index task_owner on task (owner)')
    await client.query("update pg_index set indisvalid = false where indexrelid = 'task_owner'::regclass")
    const store = await openStore({ url, keepSamples: false, log })
    await store[Symbol.asyncDispose]()
    const found = await client.query(
      "select indisvalid, pg_get_indexdef(indexrelid) as made from pg_index where indexrelid = 'task_owner'::regclass",
    )
    assert.match(found.rows[0].made, /\(owner, state, id\)/)
    assert.equal(found.rows[0].indisvalid, true)
  })
})
