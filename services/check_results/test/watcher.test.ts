import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Bulkhead, createLogger, HoldLimitReached, PermanentError } from '@cuckoo-distributed/core'
import { Availability, NetworkError, StatusError } from '@cuckoo-distributed/http'
import { believedStatus, TokenRefusedError } from '@cuckoo-distributed/sandbox-client'
import { check, checkAll, type Ended } from '../src/check.js'
import type { WatchClocks } from '../src/clocks.js'
import { Watcher } from '../src/watcher.js'
import { FakeCuckoo } from './fake-cuckoo.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const SECOND = 1000
const MINUTE = 60 * SECOND
const request = { method: 'GET', url: 'http://cuckoo.example/' }
const away = new NetworkError(request, false, new Error('connection refused'))
const broken = new StatusError(request, { status: 500, retryAfterMs: undefined, location: undefined, excerpt: '' })

interface Watched {
  state: 'watching' | 'reported' | 'later' | 'failed'
  error?: unknown
  /** Under which it was reported. */
  id?: number | undefined
  clocks: WatchClocks
}

function setUp(
  t: TestContext,
  { deadlineMs = 24 * 60 * MINUTE, awayLimitMs = 7 * 24 * 60 * MINUTE, prefetch = 1000 } = {},
) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.UTC(2026, 0, 5) })
  const cuckoo = new FakeCuckoo()
  const stop = new AbortController()
  t.after(() => stop.abort())
  const availability = new Availability({ probe: signal => believedStatus(cuckoo, signal) })
  availability.reportUp()
  const times = { intervalMs: 5 * SECOND, deadlineMs }
  const watcher = new Watcher({ client: cuckoo, availability, log, stop: stop.signal, ...times })
  const patience = { bulkhead: new Bulkhead({ prefetch, stop: stop.signal }), awayLimitMs }
  const forever = new AbortController().signal
  const watch = (id: number, clocks: WatchClocks = {}, signal = forever): Watched => {
    const watched: Watched = { state: 'watching', clocks }
    check(watcher, { taskId: id, clocks, context: { waiting: signal, tell: () => undefined } }, patience).then(
      id => {
        watched.state = id === undefined ? 'later' : 'reported'
        watched.id = id
      },
      (error: unknown) => {
        watched.state = 'failed'
        watched.error = error
      },
    )
    return watched
  }
  const watchAll = (taskId: number, others: readonly number[], clocks: WatchClocks = {}, signal = forever) => {
    const watched: { state: 'watching' | 'ended' | 'later' | 'failed'; ended?: Ended; error?: unknown } = {
      state: 'watching',
    }
    const message = { taskId, others, clocks, context: { waiting: signal, tell: () => undefined } }
    checkAll(watcher, message, patience).then(
      ended => Object.assign(watched, ended === undefined ? { state: 'later' } : { state: 'ended', ended }),
      (error: unknown) => Object.assign(watched, { state: 'failed', error }),
    )
    return watched
  }
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 5 * SECOND) {
      for (let turns = 0; turns < 12; turns += 1) await new Promise(resolve => setImmediate(resolve))
      t.mock.timers.tick(5 * SECOND)
    }
    for (let turns = 0; turns < 12; turns += 1) await new Promise(resolve => setImmediate(resolve))
  }
  return { cuckoo, stop, watch, watchAll, pass }
}

function assertFailed(watched: Watched, code: string, text: RegExp): void {
  assert.equal(watched.state, 'failed')
  assert.ok(watched.error instanceof PermanentError)
  assert.equal(watched.error.code, code)
  assert.match(watched.error.message, text)
  assert.deepEqual(watched.clocks, {})
}

test('a task is reported when a list shows it', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.set(1, 'running')
  cuckoo.set(2, 'running')
  const [one, two] = [watch(1), watch(2)]
  await pass(10 * SECOND)
  cuckoo.set(1, 'reported')
  await pass(10 * SECOND)
  assert.deepEqual([one.state, two.state], ['reported', 'watching'])
})

test('any number of tasks costs one request at a time and per interval', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  for (let id = 1; id <= 100; id += 1) {
    cuckoo.set(id, 'running')
    watch(id)
  }
  await pass(10 * MINUTE)
  assert.equal(cuckoo.mostOpen, 1)
  const gaps = cuckoo.requests.slice(1).map(({ at }, i) => at - (cuckoo.requests[i]?.at ?? 0))
  assert.ok(gaps.every(gap => gap >= 5 * SECOND))
  assert.equal(cuckoo.requests.length, 121)
})

test('every fifth request views the task that was not seen for longest; lists have no limit', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  for (const id of [1, 2, 3]) {
    cuckoo.set(id, 'running')
    watch(id)
  }
  await pass(100 * SECOND)
  const kinds = cuckoo.requests.map(({ kind }) => kind)
  assert.deepEqual(new Set(kinds), new Set(['list ended', 'view 1', 'view 2', 'view 3']))
  assert.deepEqual(
    kinds.filter((_, i) => i % 5 === 4),
    ['view 1', 'view 2', 'view 3', 'view 1'],
  )
})

test('a message that comes back after HoldLimit keeps its place among the views', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  const earlier = Date.now() - MINUTE
  cuckoo.set(1, 'running')
  cuckoo.set(2, 'running')
  watch(1, { watchedSince: earlier - MINUTE, viewedAt: earlier + 1 })
  watch(2, { watchedSince: earlier })
  await pass(25 * SECOND)
  assert.deepEqual(
    cuckoo.requests.map(({ kind }) => kind).filter(kind => kind.startsWith('view')),
    ['view 2'],
  )
})

test('several messages may watch the same task', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  const [one, two] = [watch(1), watch(1)]
  cuckoo.set(1, 'reported')
  await pass(10 * SECOND)
  assert.deepEqual([one.state, two.state], ['reported', 'reported'])
})

test('nothing is asked while nothing is watched, and the interval holds when watching begins again', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.set(1, 'reported')
  const one = watch(1)
  await pass(5 * SECOND)
  assert.equal(one.state, 'reported')
  const asked = cuckoo.requests.length
  await pass(5 * MINUTE)
  assert.equal(cuckoo.requests.length, asked)
  cuckoo.set(2, 'reported')
  const two = watch(2)
  await pass(5 * SECOND)
  assert.equal(two.state, 'reported')
})

test("a task that has failed is a permanent failure with Cuckoo's reasons", async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.set(1, 'failed', { status: 'failed_analysis', errors: ['no machine', 'no luck'] })
  const one = watch(1)
  await pass(30 * SECOND)
  assertFailed(one, 'TASK_FAILED', /task 1 ended as failed_analysis: no machine; no luck/)
})

const marked = { custom: 'mine', md5: 'AA', status: 'recovered' }

test('a task that Cuckoo goes on with under another id is followed, also after HoldLimit', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.set(1, 'replaced', marked)
  cuckoo.set(2, 'running', { ...marked, md5: 'bb' })
  cuckoo.set(3, 'running', marked)
  const waiting = new AbortController()
  const one = watch(1, {}, waiting.signal)
  await pass(MINUTE)
  waiting.abort(new HoldLimitReached())
  await pass(5 * SECOND)
  assert.ok(one.error instanceof HoldLimitReached)
  cuckoo.tasks.delete(1)
  cuckoo.set(3, 'reported', marked)
  const again = watch(1, one.clocks)
  await pass(MINUTE)
  assert.deepEqual([again.state, again.id], ['reported', 3])
})

test('a view that tells of another task, as that of CAPE does, is followed to it', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.set(3, 'running', marked)
  const successor = cuckoo.tasks.get(3)
  assert.ok(successor)
  cuckoo.tasks.set(1, successor)
  const one = watch(1)
  await pass(MINUTE)
  assert.equal(one.clocks.taskId, 3)
  cuckoo.tasks.delete(1)
  cuckoo.set(3, 'reported', marked)
  await pass(MINUTE)
  assert.deepEqual([one.state, one.id], ['reported', 3])
})

test('two tasks with the same mark and file go on as two others', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  for (const id of [1, 2]) cuckoo.set(id, 'replaced', marked)
  for (const id of [3, 4]) cuckoo.set(id, 'running', marked)
  const watched = [watch(1), watch(2), watch(1)]
  await pass(2 * MINUTE)
  for (const id of [3, 4]) cuckoo.set(id, 'reported', marked)
  await pass(MINUTE)
  const ids = watched.map(({ id }) => id)
  assert.deepEqual(new Set(ids), new Set([3, 4]))
  assert.equal(ids[0], ids[2])
})

for (const [name, change] of [
  ['was made earlier', { custom: 'mine' }],
  ['has no mark', { custom: '' }],
] as const) {
  test(`a task whose successor ${name} has failed, but only after minutes`, async t => {
    const { cuckoo, watch, pass } = setUp(t)
    cuckoo.set(7, 'replaced', { ...marked, ...change })
    cuckoo.set(6, 'running', { ...marked, ...change })
    const one = watch(7)
    await pass(4 * MINUTE)
    assert.equal(one.state, 'watching')
    await pass(3 * MINUTE)
    assertFailed(one, 'TASK_FAILED', /task 7 is recovered, and the task that Cuckoo goes on with was not found/)
  })
}

test('a successor is looked for while lists fail, and found when they do not any more', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.set(1, 'replaced', marked)
  cuckoo.set(2, 'reported', marked)
  cuckoo.listError = broken
  const one = watch(1)
  await pass(2 * MINUTE)
  cuckoo.listError = undefined
  await pass(MINUTE)
  assert.deepEqual([one.state, one.id], ['reported', 2])
})

for (const phase of ['pending', 'running', 'processing', 'unknown'] as const) {
  test(`a task that is ${phase} is watched on, until the deadline`, async t => {
    const { cuckoo, watch, pass } = setUp(t, { deadlineMs: 10 * MINUTE })
    cuckoo.set(1, phase)
    const one = watch(1)
    await pass(10 * MINUTE)
    assert.equal(one.state, 'watching')
    await pass(MINUTE)
    assertFailed(one, 'ANALYSIS_DEADLINE', new RegExp(`still ${phase} after 600 s`))
  })
}

test('the deadline counts from the first watch of the message', async t => {
  const { cuckoo, watch, pass } = setUp(t, { deadlineMs: 10 * MINUTE })
  cuckoo.set(1, 'running')
  const one = watch(1, { watchedSince: Date.now() - 11 * MINUTE })
  await pass(MINUTE)
  assert.equal(one.state, 'failed')
})

test('overdue tasks are looked at before all others, and at each request', async t => {
  const { cuckoo, watch, pass } = setUp(t, { deadlineMs: 60 * MINUTE })
  for (let id = 1; id <= 40; id += 1) cuckoo.set(id, 'running')
  for (let id = 21; id <= 40; id += 1) watch(id)
  const late = Array.from({ length: 20 }, (_, i) => watch(i + 1, { watchedSince: Date.now() - 61 * MINUTE }))
  await pass(22 * 5 * SECOND)
  assert.deepEqual(new Set(late.map(({ state }) => state)), new Set(['failed']))
})

test('a task that was reported before its overdue message comes back is no failure', async t => {
  const { cuckoo, watch, pass } = setUp(t, { deadlineMs: 10 * MINUTE })
  cuckoo.set(1, 'reported')
  await pass(2 * 60 * MINUTE)
  const one = watch(1, { watchedSince: Date.now() - 11 * MINUTE })
  await pass(MINUTE)
  assert.equal(one.state, 'reported')
})

test('a task that is unknown for a while is watched on', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  const one = watch(1)
  await pass(4 * MINUTE)
  cuckoo.set(1, 'running')
  await pass(30 * SECOND)
  cuckoo.tasks.delete(1)
  await pass(4 * MINUTE)
  cuckoo.set(1, 'reported')
  await pass(MINUTE)
  assert.equal(one.state, 'reported')
})

test('a task that stays unknown for minutes has vanished', async t => {
  const { watch, pass } = setUp(t)
  const one = watch(1)
  await pass(5 * MINUTE)
  assert.equal(one.state, 'watching')
  await pass(2 * MINUTE)
  assertFailed(one, 'TASK_VANISHED', /does not know task 1/)
})

for (const [name, wrong, right] of [
  ['answers', { statusError: broken }, { statusError: undefined }],
  ['can be believed', { tasksKnown: false }, { tasksKnown: true }],
] as const) {
  test(`a task vanishes only while the status ${name}`, async t => {
    const { cuckoo, watch, pass } = setUp(t)
    const one = watch(1)
    Object.assign(cuckoo, wrong)
    await pass(20 * MINUTE)
    assert.equal(one.state, 'watching')
    Object.assign(cuckoo, right)
    await pass(10 * MINUTE)
    assertFailed(one, 'TASK_VANISHED', /does not know task 1/)
  })
}

test('an outage of hours is waited for', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  const one = watch(1)
  cuckoo.error = away
  await pass(3 * 60 * MINUTE)
  assert.equal(one.state, 'watching')
  assert.ok(cuckoo.requests.length < 240)
  cuckoo.error = undefined
  cuckoo.set(1, 'reported')
  await pass(2 * MINUTE)
  assert.equal(one.state, 'reported')
})

test('the deadline stands still while Cuckoo is away', async t => {
  const { cuckoo, watch, pass } = setUp(t, { deadlineMs: 10 * MINUTE })
  cuckoo.set(1, 'running')
  const one = watch(1)
  await pass(5 * MINUTE)
  cuckoo.error = away
  await pass(60 * MINUTE)
  cuckoo.error = undefined
  await pass(5 * MINUTE)
  assert.equal(one.state, 'watching')
  await pass(5 * MINUTE)
  assertFailed(one, 'ANALYSIS_DEADLINE', /still running after 600 s/)
})

test('the deadline stands still for a message that is handed back and comes again meanwhile', async t => {
  const { cuckoo, watch, pass } = setUp(t, { deadlineMs: 10 * MINUTE })
  cuckoo.set(1, 'running')
  cuckoo.error = away
  const other = watch(2)
  const clocks: WatchClocks = {}
  for (let i = 0; i < 6; i += 1) {
    const waiting = new AbortController()
    watch(1, clocks, waiting.signal)
    await pass(9 * MINUTE)
    waiting.abort(new HoldLimitReached())
    await pass(MINUTE)
  }
  cuckoo.error = undefined
  const one = watch(1, clocks)
  await pass(5 * MINUTE)
  assert.deepEqual([one.state, other.state], ['watching', 'watching'])
})

test('a Cuckoo that was not reached for too long ends its messages, those that come as well', async t => {
  const { cuckoo, watch, pass } = setUp(t, { awayLimitMs: 60 * MINUTE })
  cuckoo.error = away
  const one = watch(1)
  const old = watch(2, { watchedSince: Date.now() - 3 * 60 * MINUTE, awaySince: Date.now() - 50 * MINUTE })
  await pass(20 * MINUTE)
  assertFailed(old, 'CUCKOO_NOT_REACHED', /not reached for 3600 s \(CuckooAwayLimit\)/)
  assert.equal(one.state, 'watching')
  await pass(45 * MINUTE)
  assertFailed(one, 'CUCKOO_NOT_REACHED', /not reached/)
  const third = watch(3, { watchedSince: Date.now() - 8 * 60 * MINUTE, awaySince: Date.now() - 2 * 60 * MINUTE })
  await pass(5 * SECOND)
  assertFailed(third, 'CUCKOO_NOT_REACHED', /not reached/)
})

test('of the messages for a Cuckoo that is away half the prefetch waits; the others make room, with their clocks', async t => {
  const { cuckoo, watch, pass } = setUp(t, { prefetch: 4 })
  for (let id = 1; id <= 4; id += 1) cuckoo.set(id, 'running')
  const watched = [1, 2, 3, 4].map(id => watch(id))
  await pass(MINUTE)
  cuckoo.error = away
  await pass(MINUTE)
  assert.deepEqual(watched.map(({ state }) => state).sort(), ['later', 'later', 'watching', 'watching'])
  for (const { clocks } of watched) assert.ok(Date.now() - (clocks.awaySince ?? 0) <= MINUTE)
  cuckoo.error = undefined
  for (let id = 1; id <= 4; id += 1) cuckoo.set(id, 'reported')
  await pass(2 * MINUTE)
  assert.deepEqual(watched.map(({ state }) => state).sort(), ['later', 'later', 'reported', 'reported'])
})

test('a Cuckoo that answers now and then was reached', async t => {
  const { cuckoo, watch, pass } = setUp(t, { awayLimitMs: 60 * MINUTE })
  cuckoo.set(1, 'running')
  const one = watch(1)
  for (let i = 0; i < 3; i += 1) {
    cuckoo.error = away
    await pass(50 * MINUTE)
    cuckoo.error = undefined
    await pass(5 * MINUTE)
  }
  assert.equal(one.state, 'watching')
})

test('a Cuckoo that keeps refusing to show a task is a failure that may be tried again', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.set(2, 'running')
  const [one, two] = [watch(1), watch(2)]
  cuckoo.viewError = broken
  await pass(4 * MINUTE)
  assert.equal(one.state, 'watching')
  await pass(10 * MINUTE)
  assert.equal(one.state, 'failed')
  assert.equal(one.error, broken)
  assert.equal(two.state, 'failed')
})

test('the deadline holds for a task that Cuckoo does not show', async t => {
  const { cuckoo, watch, pass } = setUp(t, { deadlineMs: 2 * MINUTE })
  const one = watch(1)
  cuckoo.viewError = broken
  const two = watch(2, { watchedSince: Date.now() - 60 * MINUTE })
  await pass(3 * MINUTE)
  assertFailed(one, 'ANALYSIS_DEADLINE', /task 1 is not shown by Cuckoo after 120 s/)
  assertFailed(two, 'ANALYSIS_DEADLINE', /task 2 is not shown/)
})

test('a refused token lies in the place: every message says so at once, and may be tried again', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  const refused = new TokenRefusedError(
    new StatusError(request, { status: 401, retryAfterMs: undefined, location: undefined, excerpt: '' }),
  )
  cuckoo.error = refused
  const watched = [watch(1), watch(2)]
  await pass(10 * SECOND)
  for (const { state, error } of watched) assert.deepEqual([state, error], ['failed', refused])
})

for (const [name, wrong] of [
  ['fail', { listError: broken }],
  ['are empty', { listsAreEmpty: true }],
] as const) {
  test(`while lists ${name} each task is seen within (number of tasks) x interval`, async t => {
    const { cuckoo, watch, pass } = setUp(t)
    cuckoo.set(500, 'reported')
    watch(500)
    await pass(10 * SECOND)
    Object.assign(cuckoo, wrong)
    // Until it is known that lists are of no use.
    for (let id = 101; id <= 110; id += 1) {
      cuckoo.set(id, 'reported')
      watch(id)
    }
    await pass(10 * MINUTE)
    const watched = Array.from({ length: 40 }, (_, i) => {
      cuckoo.set(i + 1, 'reported')
      return watch(i + 1)
    })
    // One of them may be a list.
    await pass(41 * 5 * SECOND)
    assert.deepEqual(new Set(watched.map(({ state }) => state)), new Set(['reported']))
  })
}

test('lists that can be read again are used again', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.listError = broken
  cuckoo.set(1000, 'running')
  watch(1000)
  await pass(5 * MINUTE)
  cuckoo.listError = undefined
  await pass(6 * MINUTE)
  const watched = Array.from({ length: 100 }, (_, i) => {
    cuckoo.set(i + 1, 'reported')
    return watch(i + 1)
  })
  await pass(30 * SECOND)
  assert.deepEqual(new Set(watched.map(({ state }) => state)), new Set(['reported']))
})

test('a server whose lists are always empty is asked task by task', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.listsAreEmpty = true
  const watched = Array.from({ length: 20 }, (_, i) => {
    cuckoo.set(i + 1, 'reported')
    return watch(i + 1)
  })
  // Five tasks by every fifth request, then fifteen by four requests out of five.
  await pass((5 * 5 + 19 + 1) * 5 * SECOND)
  assert.deepEqual(new Set(watched.map(({ state }) => state)), new Set(['reported']))
})

test('tasks that were reported hours before the message came are found with one view and one list', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  for (let id = 1; id <= 100; id += 1) {
    cuckoo.set(id, 'reported')
    await pass(5 * MINUTE)
  }
  cuckoo.set(101, 'reported')
  await pass(10 * SECOND)
  const watched = Array.from({ length: 101 }, (_, i) => watch(i + 1))
  await pass(6 * 5 * SECOND)
  assert.deepEqual(new Set(watched.map(({ state }) => state)), new Set(['reported']))
})

test('the end of waiting ends the watch and keeps its clocks', async t => {
  const { watch, pass } = setUp(t)
  const waiting = new AbortController()
  const one = watch(1, {}, waiting.signal)
  await pass(30 * SECOND)
  waiting.abort(new HoldLimitReached())
  await pass(5 * SECOND)
  assert.ok(one.error instanceof HoldLimitReached)
  assert.deepEqual(Object.keys(one.clocks).sort(), ['troubledSince', 'troubles', 'viewedAt', 'watchedSince'])
})

test('several tasks of a sample are over when all are, and one at least is reported', async t => {
  const { cuckoo, watchAll, pass } = setUp(t)
  for (const id of [1, 2, 3, 4, 5]) cuckoo.set(id, 'running')
  const [some, none] = [watchAll(1, [2, 3]), watchAll(4, [5])]
  cuckoo.set(1, 'failed')
  cuckoo.set(4, 'failed')
  cuckoo.set(2, 'reported')
  await pass(5 * MINUTE)
  assert.deepEqual([some.state, none.state], ['watching', 'watching'])
  cuckoo.set(3, 'reported')
  cuckoo.set(5, 'failed')
  await pass(5 * MINUTE)
  assert.deepEqual(some.ended, { taskId: 1, others: [2, 3] })
  assert.equal(none.state, 'failed')
  assert.ok(none.error instanceof PermanentError && none.error.code === 'TASK_FAILED')
})

test('of several tasks, one that cannot be watched sends the message back whatever became of the others', async t => {
  const { cuckoo, watchAll, pass } = setUp(t)
  cuckoo.set(1, 'reported')
  cuckoo.set(2, 'running')
  const watched = watchAll(1, [2])
  await pass(10 * SECOND)
  cuckoo.viewError = broken
  await pass(15 * MINUTE)
  assert.deepEqual([watched.state, watched.error], ['failed', broken])
})

test('a message of several tasks makes room as a whole while Cuckoo is away, and is not watched on', async t => {
  const { cuckoo, watchAll, pass } = setUp(t, { prefetch: 4 })
  for (const id of [1, 2, 3, 4]) cuckoo.set(id, 'running')
  const watched = watchAll(1, [2, 3, 4])
  await pass(MINUTE)
  cuckoo.error = away
  await pass(MINUTE)
  assert.equal(watched.state, 'later')
  cuckoo.error = undefined
  await pass(2 * MINUTE)
  const requests = cuckoo.requests.length
  await pass(MINUTE)
  assert.equal(cuckoo.requests.length, requests)
})

test('the deadline of several tasks counts from the first watch of the message', async t => {
  const { cuckoo, watchAll, pass } = setUp(t, { deadlineMs: 10 * MINUTE })
  for (const id of [1, 2]) cuckoo.set(id, 'running')
  const watched = watchAll(1, [2], { watchedSince: Date.now() - 11 * MINUTE })
  await pass(MINUTE)
  assert.equal(watched.state, 'failed')
})

test('a message that is held while Cuckoo is away comes back with its clocks', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  cuckoo.error = away
  const held = new AbortController()
  const one = watch(1, {}, held.signal)
  await pass(MINUTE)
  held.abort(new HoldLimitReached())
  await pass(5 * SECOND)
  assert.ok(one.error instanceof HoldLimitReached)
  assert.deepEqual(Object.keys(one.clocks).sort(), ['awaySince', 'watchedSince'])
})

test('a word that is not known is told once, however often a task shows it', async t => {
  const told: unknown[] = []
  const { cuckoo, watch, pass } = setUp(t)
  t.mock.method(log, 'warn', (...parts: unknown[]) => void told.push(parts))
  for (const id of [1, 2]) {
    cuckoo.set(id, 'unknown', { status: 'dreaming' })
    watch(id)
  }
  await pass(5 * MINUTE)
  assert.deepEqual(told, [[{ status: 'dreaming' }, 'a task has an unknown status; still watching it']])
})

test('the hold limit ends the watch of all of them', async t => {
  const { cuckoo, watchAll, pass } = setUp(t)
  for (const id of [1, 2]) cuckoo.set(id, 'running')
  const limit = new AbortController()
  const watched = watchAll(1, [2], {}, limit.signal)
  await pass(MINUTE)
  limit.abort(new HoldLimitReached())
  await pass(10 * SECOND)
  assert.ok(watched.error instanceof HoldLimitReached)
  const requests = cuckoo.requests.length
  await pass(MINUTE)
  assert.equal(cuckoo.requests.length, requests)
})
