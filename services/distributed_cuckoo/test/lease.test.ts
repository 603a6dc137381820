import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import { Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import { type Lease, takeLease } from '../src/store/lease.js'
import type { Tables, Tx } from '../src/store/tables.js'

const { signal } = new AbortController()
const away = new Error('connection refused')

/** The table `lease` of a database, by the clock of the test, for what the lease says to it. */
function database(t: TestContext) {
  const clock = fakeClock(t)
  const lease = { epoch: 0, until: Date.now() }
  const asked: string[] = []
  const times: number[] = []
  /** `silent`: never answers. `before`: called before a statement is carried out. */
  const server = { isAway: false, isSilent: false, before: (_sql: string) => {} }
  // Only by the conditions that a statement has.
  const isFree = (sql: string) =>
    (sql.includes('until <= clock_timestamp()') && lease.until <= Date.now()) ||
    (sql.includes('until > clock_timestamp() +') && lease.until > Date.now() + 7_000)
  const answer = (sql: string, values: readonly unknown[]): object[] => {
    if (sql.includes('as free')) return [{ free: isFree(sql), now: Date.now() }]
    if (sql.includes('for update')) return isFree(sql) ? [{ epoch: lease.epoch }] : []
    if (sql.includes('for key share')) return values[0] === lease.epoch ? [{ epoch: lease.epoch }] : []
    if (sql.includes('epoch = epoch + 1')) {
      Object.assign(lease, { epoch: lease.epoch + 1, until: Date.now() + Number(values[0]) })
      return [{ epoch: lease.epoch }]
    }
    const isOurs = values.at(-1) === lease.epoch && (!sql.includes('until > clock') || lease.until > Date.now())
    if (isOurs) lease.until = Date.now() + (sql.includes('returning') ? Number(values[0]) : 0)
    return isOurs ? [{ now: Date.now() }] : []
  }
  const connection = {
    async executeQuery({ sql, parameters }: { sql: string; parameters: readonly unknown[] }) {
      asked.push(sql.replaceAll(/\s+/g, ' '))
      server.before(sql)
      if (server.isSilent) await new Promise(() => {})
      if (server.isAway) throw away
      return { rows: answer(sql, parameters) as never[] }
    },
    async *streamQuery() {},
  }
  const nothing = async () => {}
  const driver = {
    ...{ init: nothing, beginTransaction: nothing, commitTransaction: nothing, rollbackTransaction: nothing },
    ...{ acquireConnection: async () => connection, releaseConnection: nothing, destroy: nothing },
  }
  const db = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => driver,
      createIntrospector: made => new PostgresIntrospector(made),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  const options = { db, onTime: (time: number) => void times.push(time) }
  const taken = () => takeLease(options, signal)
  const fenced = (held: Lease) => db.transaction().execute((tx: Tx) => held.fence(tx))
  return { clock, lease, server, asked, times, options, taken, fenced }
}

const LOST = { code: 'LEADERSHIP_LOST' }

test('a lease is renewed every two seconds for seven, and may be relied upon for six', async t => {
  const { clock, lease, server, taken, times } = database(t)
  const begun = Date.now()
  const held = await taken()
  assert.deepEqual(lease, { epoch: 1, until: begun + 7_000 })
  await clock.pass(1_999)
  assert.equal(lease.until, begun + 7_000)
  await clock.pass(1)
  assert.equal(lease.until, begun + 9_000)
  assert.equal(times.at(-1), begun + 2_000)
  server.isSilent = true
  await clock.pass(5_999)
  held.look()
  assert(!held.lost.aborted)
  await clock.pass(1)
  assert(held.lost.aborted)
  assert.throws(() => held.look(), LOST)
  assert.equal(lease.until, begun + 9_000)
})

test('a database that is away is asked again five times a second, until the lease is over', async t => {
  const { clock, lease, server, asked, taken } = database(t)
  const held = await taken()
  server.isAway = true
  await clock.pass(2_000)
  const before = asked.length
  await clock.pass(199)
  assert.equal(asked.length, before)
  await clock.pass(1)
  assert.equal(asked.length, before + 1)
  server.isAway = false
  await clock.pass(200)
  assert.equal(lease.until, Date.now() + 7_000)
  server.isAway = true
  for (let ms = 0; ms < 5_900; ms += 100) await clock.pass(100)
  assert(!held.lost.aborted)
  await clock.pass(100)
  assert(held.lost.aborted)
  const last = asked.length
  await clock.pass(10_000)
  assert.equal(asked.length, last)
})

test('a holder that was stopped knows without a timer that its lease is over', async t => {
  const { taken, fenced } = database(t)
  const held = await taken()
  const now = Date.now()
  t.mock.method(performance, 'now', () => now + 1e9)
  await assert.rejects(fenced(held), LOST)
  assert(held.lost.aborted)
})

test('a transaction of another epoch is refused, and so is one during which the lease ends', async t => {
  const { clock, lease, server, asked, taken, fenced } = database(t)
  const held = await taken()
  await fenced(held)
  server.before = sql => {
    if (sql.includes('for key share')) t.mock.timers.tick(6_000)
  }
  server.isAway = false
  const rejected = assert.rejects(fenced(held), LOST)
  await clock.pass(0)
  await rejected
  server.before = () => {}
  lease.until = 0
  const other = await taken()
  lease.epoch += 1
  await assert.rejects(fenced(other), LOST)
  assert(other.lost.aborted)
  const before = asked.length
  await assert.rejects(fenced(other), LOST)
  assert.equal(asked.length, before, 'nothing is asked without a lease')
})

test('a renewal that is refused ends the lease, and nothing more is renewed', async t => {
  const { clock, lease, asked, taken } = database(t)
  const held = await taken()
  lease.epoch += 1
  await clock.pass(2_000)
  assert(held.lost.aborted)
  const before = asked.length
  await clock.pass(20_000)
  assert.equal(asked.length, before)
})

test('a renewal whose answer comes too late is none', async t => {
  const { clock, server, taken } = database(t)
  const held = await taken()
  server.before = () => {
    const later = performance.now() + 7_000
    t.mock.method(performance, 'now', () => later)
  }
  await clock.pass(2_000)
  assert(held.lost.aborted)
})

test('a lease that has ended is not renewed, though nobody else has it yet', async t => {
  const { clock, lease, taken } = database(t)
  const held = await taken()
  lease.until = Date.now() + 1_999
  const ended = lease.until
  await clock.pass(2_000)
  assert(held.lost.aborted)
  assert.equal(lease.until, ended)
})

test('a lease is relied upon from when it was asked for, not from when the answer came', async t => {
  const { clock, server, taken } = database(t)
  const answersAfter = (ms: number, statement: string) => {
    server.before = sql => {
      if (sql.includes(statement)) t.mock.timers.tick(ms)
    }
  }
  answersAfter(3_000, 'epoch = epoch + 1')
  const held = await taken()
  server.isAway = true
  await clock.pass(2_999)
  assert(!held.lost.aborted)
  await clock.pass(1)
  assert(held.lost.aborted)
  Object.assign(server, { isAway: false, before: () => {} })
  const waiting = taken()
  await clock.pass(10_000)
  const renewed = await waiting
  answersAfter(3_000, 'returning')
  await clock.pass(2_000)
  Object.assign(server, { isAway: true, before: () => {} })
  await clock.pass(2_999)
  assert(!renewed.lost.aborted)
  await clock.pass(1)
  assert(renewed.lost.aborted)
})

test('a lease that is given up is free at once; one that was lost is nobody else’s to give', async t => {
  const { clock, lease, asked, taken } = database(t)
  const first = await taken()
  await first[Symbol.asyncDispose]()
  assert.equal(lease.until, Date.now())
  assert.throws(() => first.look(), LOST)
  const second = await taken()
  assert.equal(lease.epoch, 2)
  await first[Symbol.asyncDispose]()
  assert.equal(lease.until, Date.now() + 7_000)
  lease.epoch += 1
  await clock.pass(2_000)
  const before = asked.length
  await second[Symbol.asyncDispose]()
  assert.equal(asked.length, before)
})

test('giving it up succeeds although the database is away', async t => {
  const { server, taken } = database(t)
  const held = await taken()
  server.isAway = true
  await held[Symbol.asyncDispose]()
})

test('a lease that is held is asked for every second, and taken when it is over', async t => {
  const { clock, lease, asked, times, taken } = database(t)
  lease.until = Date.now() + 3_000
  const waiting = taken()
  await clock.pass(999)
  assert.equal(asked.length, 1)
  await clock.pass(1)
  assert.equal(asked.length, 2)
  assert.equal(times.length, 2)
  await clock.pass(1_000)
  assert.equal(lease.epoch, 0)
  await clock.pass(1_000)
  await waiting
  assert.equal(lease.epoch, 1)
})

test('a lease that lasts for longer than any was given before the clock was set back', async t => {
  const { clock, lease, taken } = database(t)
  lease.until = Date.now() + 7_000
  const waiting = taken()
  await clock.pass(0)
  assert.equal(lease.epoch, 0)
  lease.until = Date.now() + 60_000
  await clock.pass(1_000)
  await waiting
  assert.equal(lease.until, Date.now() + 7_000)
})

test('of two who find it free one takes it, and the other waits', async t => {
  const { clock, lease, server, taken } = database(t)
  lease.until = 0
  server.before = sql => {
    if (sql.includes('for update')) lease.until = Date.now() + 2_000
  }
  const waiting = taken()
  await clock.pass(0)
  assert.equal(lease.epoch, 0)
  server.before = () => {}
  await clock.pass(1_000)
  assert.equal(lease.epoch, 0)
  await clock.pass(1_000)
  await waiting
  assert.equal(lease.epoch, 1)
})

test('it is waited for through an outage, ever less often, and until the end', async t => {
  t.mock.method(Math, 'random', () => 0)
  const { clock, server, asked, lease, options } = database(t)
  server.isAway = true
  const stopping = new AbortController()
  const waiting = takeLease(options, stopping.signal)
  await clock.pass(1_000)
  assert.equal(asked.length, 2)
  await clock.pass(1_999)
  assert.equal(asked.length, 2)
  await clock.pass(1)
  assert.equal(asked.length, 3)
  await clock.pass(2_000)
  assert.equal(asked.length, 4)
  server.isAway = false
  lease.until = Date.now() + 4_000
  await clock.pass(2_000)
  assert.equal(asked.length, 5)
  server.isAway = true
  await clock.pass(1_000)
  await clock.pass(1_000)
  assert.equal(asked.length, 7, 'the waits have begun anew')
  const rejected = assert.rejects(waiting, /stopping/)
  stopping.abort(new Error('stopping'))
  await rejected
})
