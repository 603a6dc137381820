import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLogger, HoldLimitReached, PermanentError } from '@cuckoo-distributed/core'
import { NetworkError, StatusError } from '@cuckoo-distributed/http'
import type { CuckooStatus, ListOptions, Phase, TaskSummary } from '@cuckoo-distributed/sandbox-client'
import type { WatchClocks } from '../src/clocks.js'
import { Watcher } from '../src/watcher.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const SECOND = 1000
const MINUTE = 60 * SECOND
const request = { method: 'GET', url: 'http://cuckoo.example/' }
const away = new NetworkError(request, false, new Error('connection refused'))
const broken = new StatusError(request, { status: 500, retryAfterMs: undefined, location: undefined, excerpt: '' })

function at(time: number): string {
  return new Date(time).toISOString().slice(0, 19).replace('T', ' ')
}

class FakeCuckoo {
  readonly tasks = new Map<number, TaskSummary>()
  readonly requests: { readonly kind: string; readonly at: number }[] = []
  open = 0
  mostOpen = 0
  error: unknown
  statusError: unknown
  listsAreEmpty = false

  set(id: number, phase: Phase, change: Partial<TaskSummary> = {}): void {
    const completedOn = phase === 'reported' ? at(Date.now()) : undefined
    const task = { id, phase, status: phase, custom: '', completedOn, tags: [], errors: [] }
    this.tasks.set(id, { ...task, md5: undefined, sha256: undefined, ...change })
  }

  listTasks({ phase, completedAfter = 0 }: ListOptions): Promise<TaskSummary[]> {
    return this.#answer(`list ${phase}`, () => {
      const all = this.listsAreEmpty ? [] : [...this.tasks.values()]
      return all.filter(task => task.phase === phase && (task.completedOn ?? '') > at(completedAfter * 1000))
    })
  }

  viewTask(id: number): Promise<TaskSummary | undefined> {
    return this.#answer(`view ${id}`, () => this.tasks.get(id))
  }

  status(): Promise<CuckooStatus> {
    return this.#answer('status', () => {
      if (this.statusError !== undefined) throw this.statusError
      return {
        version: '1.2',
        pending: 0,
        running: 0,
        completed: 0,
        reported: 0,
        total: 0,
        tasksKnown: false,
        freeBytes: undefined,
      }
    })
  }

  async #answer<T>(kind: string, make: () => T): Promise<T> {
    this.requests.push({ kind, at: Date.now() })
    this.open += 1
    this.mostOpen = Math.max(this.mostOpen, this.open)
    await new Promise(resolve => setImmediate(resolve))
    this.open -= 1
    if (this.error !== undefined) throw this.error
    return make()
  }
}

interface Watched {
  state: 'watching' | 'reported' | 'failed'
  error?: unknown
  clocks: WatchClocks
}

function setUp(t: TestContext, { deadlineMs = 24 * 60 * MINUTE } = {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.UTC(2026, 0, 5) })
  const cuckoo = new FakeCuckoo()
  const stop = new AbortController()
  t.after(() => stop.abort())
  const watcher = new Watcher({ cuckoo, log, stop: stop.signal, intervalMs: 5 * SECOND, deadlineMs })
  const forever = new AbortController().signal
  const watch = (id: number, clocks: WatchClocks = {}, signal = forever): Watched => {
    const watched: Watched = { state: 'watching', clocks }
    watcher.watch(id, clocks, signal).then(
      () => {
        watched.state = 'reported'
      },
      (error: unknown) => {
        watched.state = 'failed'
        watched.error = error
      },
    )
    return watched
  }
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 5 * SECOND) {
      for (let turns = 0; turns < 4; turns += 1) await new Promise(resolve => setImmediate(resolve))
      t.mock.timers.tick(5 * SECOND)
    }
    for (let turns = 0; turns < 4; turns += 1) await new Promise(resolve => setImmediate(resolve))
  }
  return { cuckoo, stop, watch, pass }
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
  assert.deepEqual(new Set(kinds), new Set(['list reported', 'view 1', 'view 2', 'view 3']))
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

for (const [phase, status] of [
  ['failed', 'failed_analysis'],
  ['replaced', 'recovered'],
] as const) {
  test(`a task that is ${phase} is a permanent failure with Cuckoo's reasons`, async t => {
    const { cuckoo, watch, pass } = setUp(t)
    cuckoo.set(1, phase, { status, errors: ['no machine', 'no luck'] })
    const one = watch(1)
    await pass(30 * SECOND)
    assertFailed(one, 'TASK_FAILED', new RegExp(`task 1 ended as ${status}: no machine; no luck`))
  })
}

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

test('a task vanishes only while the status answers', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  const one = watch(1)
  cuckoo.statusError = broken
  await pass(20 * MINUTE)
  assert.equal(one.state, 'watching')
  cuckoo.statusError = undefined
  await pass(10 * MINUTE)
  assertFailed(one, 'TASK_VANISHED', /does not know task 1/)
})

test('an outage of hours is waited for', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  const one = watch(1)
  cuckoo.error = away
  await pass(3 * 60 * MINUTE)
  assert.equal(one.state, 'watching')
  assert.ok(cuckoo.requests.length < 200)
  cuckoo.error = undefined
  cuckoo.set(1, 'reported')
  await pass(2 * MINUTE)
  assert.equal(one.state, 'reported')
})

test('a Cuckoo that keeps refusing to show a task is a failure that may be tried again', async t => {
  const { cuckoo, watch, pass } = setUp(t)
  const one = watch(1)
  cuckoo.error = broken
  await pass(4 * MINUTE)
  assert.equal(one.state, 'watching')
  await pass(30 * MINUTE)
  assert.equal(one.state, 'failed')
  assert.equal(one.error, broken)
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
