import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Logger, ServiceError } from '@cuckoo-distributed/core'
import { fakeClock } from '@cuckoo-distributed/testing'
import { Scheduler } from '../src/dispatch/scheduler.js'
import type { WorkersOptions } from '../src/dispatch/workers.js'

const LOST = new ServiceError('LEADERSHIP_LOST', 'another process may schedule by now')
const [A, B] = ['[null,"a"]', '[null,"b"]']
/** Of any task while there are no nodes. */
const REASON = 'no node is enabled'

/** A scheduler without nodes, over a store whose pending tasks have `requirements`, and what the store hears. */
async function scene(t: TestContext, { requirements = [A], UptimeLogfile = '', Interval = 1000 } = {}) {
  const clock = fakeClock(t)
  const heard: unknown[] = []
  const logged: unknown[] = []
  const line = (level: string) => (_: object, message: string) => void logged.push(`${level}: ${message}`)
  const log: Logger = Object.assign(Object.create(null), {
    ...{ info: () => undefined, warn: line('warn'), error: line('error') },
  })
  const control = {
    ...{ requirements, missing: {}, problem: null as string | null, failPlan: false, failLead: false },
    ...{ lost: new AbortController(), leads: 0, busy: Promise.resolve() },
    away: { samples: new AbortController(), reports: new AbortController() },
  }
  const dispatch = {
    recover: async () => void heard.push('recover'),
    release: async (now: number) => {
      if (control.failPlan) throw new Error('the database is away')
      heard.push(['release', now - Date.now()])
    },
    pendingRequirements: async (after: string, limit: number) =>
      control.requirements.filter(each => each > after).slice(0, limit),
    setWaitReasons: async (reasons: Map<string, string>, { after, upTo }: { after: string; upTo?: string }) =>
      void heard.push(['explain', [...reasons.keys()].length, new Set(reasons.values()).has(REASON), after, upTo]),
    foldCounts: async () => void heard.push('fold'),
    recount: async () => {
      heard.push('recount')
      return control.missing
    },
  }
  const store = {
    now: Date.now,
    recordCycle: async (at: number) => {
      heard.push(['cycle', at - Date.now()])
      await control.busy
    },
    nodes: { list: async () => [] },
    async lead() {
      if (control.failLead) throw new Error('no way to it')
      control.leads += 1
      heard.push('lead')
      const end = async () => void heard.push('given up')
      return { lost: control.lost.signal, dispatch, look: () => undefined, [Symbol.asyncDispose]: end }
    },
  }
  const directory = (name: 'samples' | 'reports') => ({
    get away() {
      return control.away[name].signal
    },
  })
  const files = {
    get problem() {
      return control.problem
    },
    samples: directory('samples'),
    reports: directory('reports'),
  }
  const config = { Interval, Threshold: 20, UptimeLogfile, KeepReports: 0, KeepReportsBytes: 0, KeepFailed: 0 }
  const options: WorkersOptions = Object.assign(Object.create(null), { store, files, config, log })
  const scheduler = new Scheduler(options)
  const stopping = new AbortController()
  const ended = scheduler.run(stopping.signal)
  ended.catch(() => undefined)
  t.after(() => stopping.abort())
  await clock.pass(0)
  const explained = () => heard.filter(each => Array.isArray(each) && each[0] === 'explain')
  const plans = () => heard.filter(each => Array.isArray(each) && each[0] === 'release').length
  const count = (what: string) => heard.filter(each => each === what).length
  return { clock, scheduler, control, heard, logged, explained, plans, count, stopping, ended }
}

test('who leads ends what the leader before had begun, and then plans every second, or at once when told', async t => {
  const { clock, scheduler, heard, plans } = await scene(t)
  assert.deepEqual(heard.slice(0, 3), ['lead', 'recover', ['release', 0]])
  await clock.pass(50)
  await clock.pass(999)
  assert.equal(plans(), 1)
  await clock.pass(1)
  assert.equal(plans(), 2)
  await clock.pass(50)
  scheduler.wake()
  await clock.pass(0)
  assert.equal(plans(), 3)
  scheduler.wake()
  await clock.pass(49)
  assert.equal(plans(), 3)
  await clock.pass(1)
  assert.equal(plans(), 4)
})

test('why tasks wait is written down when it changes, and anew by each leader', async t => {
  const { clock, control, explained } = await scene(t)
  assert.deepEqual(explained(), [['explain', 1, true, '', undefined]])
  for (const ms of [50, 1_000, 50]) await clock.pass(ms)
  assert.equal(explained().length, 1)
  control.requirements = [A, B]
  await clock.pass(1_050)
  assert.deepEqual(explained()[1], ['explain', 2, true, '', undefined])
  control.lost.abort(LOST)
  await clock.pass(0)
  control.lost = new AbortController()
  await clock.pass(1_000)
  assert.equal(explained().length, 3)
})

test('a plan sees 64 requirements, and the next ones follow without a pause', async t => {
  const requirements = Array.from({ length: 65 }, (_, i) => JSON.stringify([null, `m${String(i).padStart(2, '0')}`]))
  const last = requirements[63]
  const { clock, explained, plans } = await scene(t, { requirements })
  assert.deepEqual(explained(), [['explain', 64, true, '', last]])
  await clock.pass(50)
  assert.deepEqual(explained()[1], ['explain', 1, true, last, undefined])
  await clock.pass(50)
  assert.equal(plans(), 2)
  await clock.pass(1_000)
  assert.equal(plans(), 3)
  assert.deepEqual(explained()[2], ['explain', 64, true, '', last])
})

test('who leads no more says so, gives up, and asks again after a second', async t => {
  const { clock, control, heard, logged } = await scene(t)
  control.lost.abort(LOST)
  await clock.pass(0)
  assert.deepEqual(logged, ['warn: this process is no longer the scheduler'])
  assert.equal(heard.at(-1), 'given up')
  control.lost = new AbortController()
  await clock.pass(999)
  assert.equal(control.leads, 1)
  await clock.pass(1)
  assert.equal(control.leads, 2)
})

test('a database that is away is told once, and asked every second', async t => {
  const { clock, control, logged } = await scene(t)
  control.lost.abort(LOST)
  control.failLead = true
  await clock.pass(0)
  control.lost = new AbortController()
  await clock.pass(1_000)
  await clock.pass(1_000)
  assert.equal(logged.filter(each => each === 'error: scheduling was interrupted').length, 1)
  control.failLead = false
  await clock.pass(1_000)
  assert.equal(control.leads, 2)
})

for (const which of ['samples', 'reports'] as const) {
  test(`a server whose directory of ${which} is away neither takes the lead nor keeps it`, async t => {
    const { clock, control, heard } = await scene(t)
    control.problem = 'the directory cannot be used'
    control.away[which].abort(new Error('away'))
    await clock.pass(0)
    assert.equal(heard.at(-1), 'given up')
    await clock.pass(10_000)
    assert.equal(control.leads, 1)
    control.away[which] = new AbortController()
    control.problem = null
    await clock.pass(1_000)
    assert.equal(control.leads, 2)
  })
}

test('the lead is given up when the last thing that was done with it has ended', async t => {
  const { clock, control, stopping, ended, heard } = await scene(t, { Interval: 1 })
  let finish = () => {}
  control.busy = new Promise(resolve => {
    finish = resolve
  })
  await clock.pass(1_000)
  stopping.abort(new Error('stopping'))
  await clock.pass(1_000)
  assert(heard.some(each => Array.isArray(each) && each[0] === 'cycle') && !heard.includes('given up'))
  finish()
  await assert.rejects(ended, /stopping/)
  assert.equal(heard.at(-1), 'given up')
})

test('a plan that fails is told once and tried again every second', async t => {
  const { clock, control, logged, plans } = await scene(t)
  control.failPlan = true
  for (const ms of [50, 1_000, 1_000, 50, 1_000]) await clock.pass(ms)
  assert.deepEqual(logged, ['error: scheduling failed; trying again'])
  control.failPlan = false
  await clock.pass(999)
  assert.equal(plans(), 1)
  for (const ms of [1, 50, 1_000]) await clock.pass(ms)
  assert.equal(plans(), 2)
})

test('the cycle is recorded at each interval, totals are folded then, and counted anew every hour', async t => {
  const { clock, control, heard, count, logged } = await scene(t, { Interval: 1000 })
  await clock.pass(999_999)
  assert.equal(count('fold'), 0)
  await clock.pass(1)
  assert.deepEqual(
    heard.filter(each => Array.isArray(each) && each[0] === 'cycle'),
    [['cycle', 0]],
  )
  assert.deepEqual([count('fold'), count('recount'), logged], [1, 1, []])
  control.missing = { finished: 2 }
  for (let i = 0; i < 3; i += 1) await clock.pass(1_000_000)
  assert.deepEqual([count('fold'), count('recount')], [4, 1])
  await clock.pass(1_000_000)
  assert.deepEqual([count('fold'), count('recount')], [5, 2])
  assert.deepEqual(logged, ['warn: the totals of tasks were wrong'])
})

test('the log of how long nodes are up is written at each interval; one that cannot be written stops nothing', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'scheduler-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'up.json')
  const { clock } = await scene(t, { UptimeLogfile: file, Interval: 1 })
  await clock.pass(1_000)
  let text = ''
  while (text === '') text = await readFile(file, 'utf8').catch(() => '')
  t.mock.timers.reset()
  const other = await scene(t, { UptimeLogfile: folder, Interval: 1 })
  await other.clock.pass(1_000)
  while (other.logged.length === 0) await other.clock.pass(0)
  assert.deepEqual(other.logged, ['warn: the uptime log cannot be written'])
  await other.clock.pass(1_000)
  assert.equal(other.count('fold'), 2)
})

test('the end gives up the lead, and nothing goes on after it', async t => {
  const { clock, stopping, ended, heard } = await scene(t, { Interval: 1 })
  stopping.abort(new Error('stopping'))
  await assert.rejects(ended, /stopping/)
  assert.equal(heard.at(-1), 'given up')
  const before = heard.length
  await clock.pass(10_000)
  assert.equal(heard.length, before)
})
