/** What a PostgreSQL that goes away, falls silent, or is full does to whoever asks it, and what is said of it. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Logger } from '@cuckoo-distributed/core'
import { fakeClock, waitFor } from '@cuckoo-distributed/testing'
import { sql } from 'kysely'
import { type Limits, openPostgres, PATIENT, postgresProblems, USUAL } from '../src/store/postgres.js'
import { fakePostgres } from './fake-postgres.js'

const LOST = { code: 'STORE_LOST', message: 'the database does not answer', isDoubtful: false }

async function scene(t: TestContext, limits: Limits = USUAL) {
  const server = await fakePostgres(t)
  const logged: unknown[] = []
  const log: Logger = Object.assign(Object.create(null), {
    debug: () => undefined,
    error: (_: object, message: string) => void logged.push(`error: ${message}`),
    warn: (message: string) => void logged.push(`warn: ${message}`),
  })
  const db = openPostgres(server.url, log, limits)
  t.after(() => db.destroy())
  const ask = async (text = 'select 1') => (await sql.raw(text).execute(db)).rows
  return { server, db, ask, logged }
}

test('numbers of eight bytes are numbers, and texts are texts', async t => {
  const { server, ask } = await scene(t)
  server.answer = () => [{ id: 5_000_000_000, name: '7' }]
  assert.deepEqual(await ask(), [{ id: 5_000_000_000, name: '7' }])
})

test('the server ends what takes too long, and connections without a client; a migration may take as long as it needs', async t => {
  const { server, ask } = await scene(t)
  await ask()
  const { options, application_name, ...limits } = server.started[0] ?? {}
  const { statement_timeout, lock_timeout, idle_in_transaction_session_timeout } = limits
  assert.deepEqual([statement_timeout, lock_timeout, idle_in_transaction_session_timeout], ['4000', '3000', '3000'])
  assert.equal(application_name, 'distributed_cuckoo')
  assert.equal(
    options,
    '-c tcp_user_timeout=10000 -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3',
  )
  const patient = await scene(t, PATIENT)
  await patient.ask()
  const started = Object.keys(patient.server.started[0] ?? {})
  assert.deepEqual(
    started.filter(name => name.endsWith('timeout')),
    [],
  )
})

test('an outage is told once, and its end once, whatever number of connections and queries it meets', async t => {
  const { server, ask, logged } = await scene(t)
  await Promise.all([ask(), ask(), ask()])
  assert.equal(server.started.length, 3)
  server.answer = () => 'cut'
  await Promise.all([1, 2, 3].map(() => assert.rejects(ask(), LOST)))
  server.welcome = () => ({ code: '57P03' })
  await assert.rejects(ask(), LOST)
  await assert.rejects(ask(), LOST)
  assert.deepEqual(logged, ['error: the database does not answer'])
  Object.assign(server, { answer: () => [], welcome: () => [] })
  await ask()
  await ask()
  assert.deepEqual(logged, ['error: the database does not answer', 'warn: the database answers again'])
  server.answer = () => 'cut'
  await assert.rejects(ask(), LOST)
  assert.deepEqual(logged.slice(2), ['error: the database does not answer'])
})

test('a connection from before an outage is never used again', async t => {
  const { server, ask } = await scene(t)
  await Promise.all([ask(), ask(), ask()])
  let cuts = 1
  server.answer = () => (cuts-- > 0 ? 'cut' : [])
  await assert.rejects(ask(), LOST)
  await ask()
  assert.equal(server.started.length, 4)
  await waitFor(() => server.open.size === 1, { describe: 'the old ones to be closed' })
})

test('a statement that took too long, or found a lock, is no outage, and the connection lives on', async t => {
  const { server, ask, logged } = await scene(t)
  for (const code of ['57014', '55P03']) {
    server.answer = () => ({ code })
    await assert.rejects(ask(), LOST, code)
  }
  server.answer = () => []
  await ask()
  assert.deepEqual([server.started.length, logged], [1, []])
})

test('what the server says of itself is an outage; what it says of a statement is not', async t => {
  const { server, ask } = await scene(t)
  for (const code of ['08006', '57P01', '53300', '25006', '25P03']) {
    server.answer = () => ({ code })
    await assert.rejects(ask(), LOST, code)
  }
  server.answer = () => ({ code: '42601' })
  await assert.rejects(ask(), { code: '42601', name: 'error' })
  await assert.rejects(ask(), { code: '42601' })
  assert.equal(server.started.length, 6)
})

test('only of a commit is it not known whether it was done, and nothing follows in a transaction that is lost', async t => {
  const { server, db } = await scene(t)
  const lostAt = (word: string) => {
    server.answer = text => (text === word ? 'cut' : [])
    return db.transaction().execute(async tx => {
      await sql`select 1`.execute(tx).catch(() => undefined)
      await sql`select 2`.execute(tx)
    })
  }
  await assert.rejects(lostAt('commit'), { code: 'STORE_LOST', isDoubtful: true })
  server.asked.splice(0)
  await assert.rejects(lostAt('select 1'), LOST)
  assert.deepEqual(server.asked, ['begin', 'select 1'])
})

const FULL = { code: 'STORE_LOST', message: 'the database has no room', isDoubtful: false }

test('a full database has room when it takes what it refused, and has refused nothing for ten seconds', async t => {
  const clock = fakeClock(t)
  const { server, ask, logged } = await scene(t)
  server.answer = text => (text.startsWith('insert into a') ? { code: '53100' } : [])
  await assert.rejects(ask('insert into a values 1'), FULL)
  await assert.rejects(ask('insert into a values 2'), FULL)
  assert.deepEqual(logged, ['error: the database has no room'])
  await clock.pass(9_999)
  server.answer = () => []
  await ask('insert into a values 3')
  await clock.pass(1)
  await ask('insert into b values 1')
  assert.deepEqual(logged.length, 1)
  await ask('insert into a values 4')
  await ask('insert into a values 4')
  assert.deepEqual(logged.slice(1), ['warn: the database has room again'])
  assert.equal(server.started.length, 1)
})

test('of the connections that are not for the usual work nothing is said', async t => {
  const clock = fakeClock(t)
  const { server, ask, logged } = await scene(t, { ...USUAL })
  for (const answer of [{ code: '53100' }, 'cut'] as const) {
    server.answer = () => answer
    await assert.rejects(ask(), { code: 'STORE_LOST' })
  }
  server.answer = () => []
  await clock.pass(10_000)
  await ask()
  assert.deepEqual(logged, [])
})

test('a server that is silent is not waited for at the end', async t => {
  const clock = fakeClock(t)
  const { server, db, ask } = await scene(t)
  await ask()
  server.answer = () => 'silence'
  const waiting = assert.rejects(ask(), LOST)
  while (server.asked.length < 2) await clock.pass(0)
  let isOver = false
  const end = db.destroy().then(() => {
    isOver = true
  })
  await clock.pass(499)
  assert.equal(isOver, false)
  await clock.pass(1)
  await Promise.all([end, waiting])
})

const PROBLEMS: readonly (readonly [string, RegExp])[] = [
  ['28P01', /^the password is wrong: /],
  ['28000', /^the user may not log in from here/],
  ['3D000', /^there is no such database: /],
  ['42501', /^the user has no right to it: /],
  ['XX000', /^it cannot be used: /],
]

test('what is wrong with a database is told in words', async t => {
  const server = await fakePostgres(t)
  for (const [code, words] of PROBLEMS) {
    server.welcome = () => ({ code })
    const [problem = '', ...others] = await postgresProblems(server.url)
    assert.match(problem, words)
    assert.deepEqual(others, [])
  }
  server.welcome = () => []
  server.answer = () => [{ may: true }]
  assert.deepEqual(await postgresProblems(server.url), [])
  server.answer = () => [{ may: false }]
  assert.deepEqual(await postgresProblems(server.url), ['the user may not make tables in its schema (GRANT CREATE)'])
  await waitFor(() => server.open.size === 0, { describe: 'nothing to be left open' })
})
