import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { runProcess } from '@cuckoo-distributed/core'
import { Availability, NetworkError, StatusError } from '@cuckoo-distributed/http'
import { requestsPerMinuteKey } from '@cuckoo-distributed/sandbox-client'
import { type FakeClock, fakeClock, startedWith, testUnits } from '@cuckoo-distributed/testing'
import Type from 'typebox'
import { type DistributedConfig, DistributedSchema } from '../src/config.js'
import { drawPlan } from '../src/dispatch/plan.js'
import { keepWithin } from '../src/dispatch/retention.js'
import { Copies } from '../src/nodes/copies.js'
import { Health } from '../src/nodes/health.js'
import type { Candidate } from '../src/nodes/node-worker.js'
import type { Submission, Task } from '../src/store/model.js'
import { requirementOf } from '../src/store/requirement.js'
import type { Requeue } from '../src/store/store.js'
import { serveScene } from './api-scene.js'
import { fakeNode } from './contract-scene.js'
import { log, makeScene } from './dispatch-scene.js'
import { must, NO_OPTIONS } from './store-scene.js'

const { signal } = new AbortController()
const request = { method: 'GET', url: 'http://node.example/' }
const FAILURE = { status: 500, retryAfterMs: undefined, location: undefined, excerpt: '' }
const away = new NetworkError(request, false, new Error('connection refused'))

function submission(id: number): Submission {
  const ids = { id, taskId: id, attempt: 1, nodeId: 1, nodeTaskId: id }
  return { ...ids, state: 'accepted', custom: `dist:${id}:1`, sha256: null, begunOn: 0 }
}

/** One node and what is written down of it; it never says more of a task than that somebody asked. */
function session(given: Partial<DistributedConfig>) {
  const abandoned: Requeue[] = []
  const asked: number[] = []
  const status = { version: '1.2', total: 0, pending: 0, running: 0, completed: 0, reported: 0, tasksKnown: true }
  const client = {
    baseUrl: 'http://node.example/',
    intervalMs: 0,
    status: async () => status,
    viewTask: (id: number) => {
      asked.push(id)
      return new Promise(() => undefined)
    },
  }
  const availability = new Availability({ probe: async () => undefined })
  availability.reportUp()
  const dispatch = {
    submissions: async () => [submission(1)],
    abandoned: async (_: number, outcome: Requeue) => void abandoned.push(outcome),
    discarded: async () => undefined,
  }
  const nodes = { recordStatus: async () => undefined, recordFailure: async () => undefined }
  const config = { Interval: 30, NodeTimeout: 1800, NodeConcurrency: 1, MaxRequeues: 3, ...given }
  const made = Object.assign(Object.create(null), {
    ...{ client, availability, log, config, quarantine: { error: null, lastsMs: 0 }, onContact: () => undefined },
    ...{ node: { id: 1, name: 'n1' }, store: { id: 'own', now: Date.now, nodes, dispatch } },
  })
  return { made, abandoned, asked }
}

/** What becomes of a sample in a form. */
async function statusOfUpload(t: TestContext, given: Partial<DistributedConfig>, free?: (length: number) => number) {
  const scene = await makeScene(t, given)
  const { app } = await serveScene(t, scene)
  return async (size: number) => {
    const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.exe"\r\n\r\n'
    const payload = `${head}${'x'.repeat(size)}\r\n--b--\r\n`
    if (free) t.mock.method(scene.files, 'freeBytes', async () => free(payload.length))
    const headers = { 'content-type': 'multipart/form-data; boundary=b' }
    return (await app.inject({ method: 'POST', url: '/task', headers, payload })).statusCode
  }
}

/** What goes of a task in this state whose time has come long ago, or `age` milliseconds ago. */
async function removed(
  t: TestContext,
  clock: FakeClock,
  given: Partial<DistributedConfig>,
  task: { readonly state: string; readonly bytes: number; readonly age?: number },
): Promise<number[]> {
  const gone: number[] = []
  const completedOn = Date.now() - (task.age ?? 1)
  const oldTasks = {
    list: async (state: string, { before }: { before: number }) =>
      state === task.state && completedOn < before ? [{ id: 1, bytes: task.bytes, completedOn }] : [],
    reportBytes: async () => task.bytes,
  }
  const tasks = { removeSettled: async (id: number) => gone.push(id) > 0 }
  const end = new AbortController()
  t.after(() => end.abort())
  const store = Object.assign(Object.create(null), { now: Date.now, oldTasks, tasks })
  const config = { KeepReports: 0, KeepReportsBytes: 0, KeepFailed: 0, Interval: 30, ...given }
  const silent = Object.assign(Object.create(log), { info: () => undefined })
  keepWithin({ store, config, leadership: { look: () => undefined }, log: silent }, end.signal).catch(() => undefined)
  await clock.pass(0)
  return gone
}

async function goesAfterDays(t: TestContext, given: Partial<DistributedConfig>, state: string): Promise<void> {
  const clock = fakeClock(t)
  const week = 7 * 24 * 60 * 60_000
  assert.deepEqual(await removed(t, clock, given, { state, bytes: 1, age: week }), [])
  assert.deepEqual(await removed(t, clock, given, { state, bytes: 1, age: week + 1 }), [1])
}

testUnits('distributed_cuckoo', DistributedSchema, {
  ofPackages: { RequestsPerMinute: requestsPerMinuteKey(4, 'NodeTokens') },
  rows: {
    Port: { untested: 'a name, not an amount' },
    async Interval(t) {
      const clock = fakeClock(t)
      const { made } = session({ Interval: 7 })
      const health = new Health(made)
      await health.ask(
        Object.assign(Object.create(null), { id: 1, name: 'n1' }),
        { submissions: [], runningSince: {} },
        signal,
      )
      await clock.pass(6_999)
      assert.equal(health.isDue, false)
      await clock.pass(1)
      assert.equal(health.isDue, true)
    },
    async NodeTimeout(t) {
      const clock = fakeClock(t)
      const { made, abandoned } = session({ NodeTimeout: 7 })
      const health = new Health(made)
      made.log = { warn: () => undefined, child: () => made.log }
      await clock.pass(6_999)
      await health.fail(away)
      assert.equal(abandoned.length, 0)
      await clock.pass(1)
      await health.fail(away)
      assert.equal(abandoned.length, 1)
      const one = session({ NodeTimeout: 7, Interval: 0.001 })
      one.made.log = made.log
      one.made.client.viewTask = () => Promise.reject(new StatusError(request, FAILURE))
      const copies = new Copies(one.made, {})
      const look = () => copies.tend([submission(1)], 1, signal)
      await look()
      await clock.pass(6_999)
      await look()
      assert.equal(one.abandoned.length, 0)
      await clock.pass(1)
      await look()
      assert.equal(one.abandoned.length, 1)
    },
    async MaxRequeues(t) {
      const clock = fakeClock(t)
      const { made, abandoned } = session({ MaxRequeues: 2 })
      const health = new Health(made)
      made.log = { warn: () => undefined, child: () => made.log }
      await clock.pass(1_800_000)
      await health.fail(away)
      const [outcome] = abandoned
      assert.ok(outcome)
      const { store } = await makeScene(t)
      const node = await store.nodes.register('n1', 'http://a/', [])
      const id = await store.tasks.create({ ...NO_OPTIONS, url: 'http://h/' }, 0)
      const states: unknown[] = []
      for (let sent = 1; sent <= 3; sent += 1) {
        await store.dispatch.abandoned(must(await store.dispatch.begin(id, node.id, 0)).id, {
          ...outcome,
          notBefore: 0,
        })
        states.push((await store.tasks.get(id))?.state)
      }
      assert.deepEqual(states, ['pending', 'pending', 'failed'])
    },
    async NodeConcurrency(t) {
      const clock = fakeClock(t)
      const { made, asked } = session({ NodeConcurrency: 3 })
      const end = new AbortController()
      const all = [1, 2, 3, 4, 5].map(submission)
      const tending = new Copies(made, {}).tend(all, 1, end.signal).catch(() => undefined)
      await clock.pass(0)
      assert.equal(asked.length, 3)
      end.abort(new Error('the test is over'))
      await Promise.race([tending, clock.pass(0)])
    },
    KeepReports: t => goesAfterDays(t, { KeepReports: 7 }, 'finished'),
    KeepFailed: t => goesAfterDays(t, { KeepFailed: 7 }, 'failed'),
    async KeepReportsBytes(t) {
      const clock = fakeClock(t)
      assert.deepEqual(await removed(t, clock, { KeepReportsBytes: 7_000 }, { state: 'finished', bytes: 7_000 }), [])
      assert.deepEqual(await removed(t, clock, { KeepReportsBytes: 7_000 }, { state: 'finished', bytes: 7_001 }), [1])
    },
    Threshold() {
      const requirement = requirementOf({ machine: null, platform: null, tags: null, pinNodeId: null })
      const demands = (count: number) => {
        const tasks = Array.from({ length: count }, (_, id): Task => {
          return Object.assign(Object.create(null), { id, priority: 1, requirement, avoidNodeId: null })
        })
        return [{ requirement, tasks }]
      }
      const counts = { pending: 4, running: 0, lastGiven: 0, room: Infinity }
      const node: Candidate = { id: 1, name: 'n1', enabled: true, up: true, quarantine: null, machines: [], ...counts }
      const { assignments } = drawPlan(demands(9), [node], { threshold: 7, perNode: 100 })
      assert.equal(assignments.get(1)?.length, 3)
    },
    async MaxUpload(t) {
      const statusOf = await statusOfUpload(t, { MaxUpload: 7_000 })
      assert.deepEqual([await statusOf(7_000), await statusOf(7_001)], [200, 413])
    },
    async MinFreeSpace(t) {
      const MinFreeSpace = 7_000
      const enough = await statusOfUpload(t, { MinFreeSpace }, length => MinFreeSpace + length)
      assert.equal(await enough(10), 200)
      const tooLittle = await statusOfUpload(t, { MinFreeSpace }, length => MinFreeSpace + length - 1)
      assert.equal(await tooLittle(10), 507)
    },
    async MaxReport(t) {
      const MaxReport = 700
      for (const [size, state] of [
        [MaxReport, 'finished'],
        [MaxReport + 1, 'failed'],
      ] as const) {
        const scene = await makeScene(t, { MaxReport, MaxRequeues: 0, Interval: 0.05 })
        const node = await fakeNode(t)
        node.newStatus = 'reported'
        node.reports.set('json', `{"x":"${'y'.repeat(size - 8)}"}`)
        await scene.addNode('n1', node.url)
        const id = await scene.addTask('MZ')
        scene.start()
        await scene.reaches(id, state)
      }
    },
    async DrainTime(t) {
      const clock = fakeClock(t)
      const { DrainTime, LogLevel } = DistributedSchema.properties
      await startedWith(t, { DrainTime: 1.5, LogLevel: 'warning' })
      await runProcess({
        name: 'units',
        summary: 'For this test.',
        schema: Type.Object({ DrainTime, LogLevel }, { additionalProperties: false }),
        async run(_, { shutdown }) {
          process.emit('SIGTERM', 'SIGTERM')
          await clock.pass(1_499)
          assert.deepEqual([shutdown.stop.aborted, shutdown.force.aborted], [true, false])
          await clock.pass(1)
          assert.equal(shutdown.force.aborted, true)
          return 0
        },
      })
      assert.equal(process.exitCode, 0)
    },
  },
})
