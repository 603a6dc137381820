import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Availability, ServerAwayError, StatusError } from '@cuckoo-distributed/http'
import type { TaskSummary } from '@cuckoo-distributed/sandbox-client'
import { fakeClock } from '@cuckoo-distributed/testing'
import type { NodeSession } from '../src/nodes/session.js'
import { Unconfirmed } from '../src/nodes/unconfirmed.js'
import type { Submission } from '../src/store/model.js'
import type { Requeue } from '../src/store/store.js'
import { log } from './dispatch-scene.js'

const { signal } = new AbortController()
const SHA256 = 'ab'.repeat(32)
const request = { method: 'GET', url: 'http://node.example/' }
const refused = new StatusError(request, { status: 500, retryAfterMs: undefined, location: undefined, excerpt: '' })

function submission(id: number, given: Partial<Submission> = {}): Submission {
  const ids = { id, taskId: 100 + id, attempt: 1, nodeId: 1, nodeTaskId: null }
  return { ...ids, state: 'sending', custom: `dist:${id}:1`, sha256: SHA256, begunOn: Date.now(), ...given }
}

function nodeTask(id: number, custom: string, given: Partial<TaskSummary> = {}): TaskSummary {
  const about = { phase: 'pending', status: 'pending', completedOn: undefined, md5: undefined } as const
  return { id, custom, sha256: SHA256, tags: [], errors: [], ...about, ...given }
}

/** A node with these tasks, and what is written down of it. `fails`: it answers every question for a list with 500. */
function scene(t: TestContext, tasks: TaskSummary[], { claimed = [] }: { readonly claimed?: readonly number[] } = {}) {
  const clock = fakeClock(t)
  const said: unknown[] = []
  const node = {
    fails: false,
    looks: 0,
    slowMs: 0,
    contacts: 0,
    countsTooMany: false,
    error: undefined as Error | undefined,
  }
  const logged: string[] = []
  /** The method of the store that fails. */
  const database = { broken: '' }
  const broken = (method: string) => {
    if (database.broken === method) throw new Error('the database is away')
  }
  const client = {
    status: async () => {
      const pending = tasks.filter(({ phase }) => phase === 'pending').length + Number(node.countsTooMany)
      return { version: '1.2', total: tasks.length, pending, running: 0, completed: 0, reported: 0, tasksKnown: true }
    },
    async listTasks({ phase }: { phase: string }) {
      if (phase === 'pending') node.looks += 1
      t.mock.timers.tick(node.slowMs)
      if (node.fails) throw node.error ?? refused
      return tasks.filter(task => task.phase === phase)
    },
    viewTask: async (id: number) => tasks.find(task => task.id === id),
  }
  const outcome = ({ counted, maxRequeues, error, at, notBefore }: Requeue) => {
    assert.deepEqual([at, notBefore], [Date.now(), Date.now()])
    return [counted, maxRequeues, error]
  }
  const dispatch = {
    async isClaimed(nodeId: number, id: number) {
      broken('isClaimed')
      return nodeId === 1 && claimed.includes(id)
    },
    async accepted(id: number, nodeTaskId: number, at: number, others: number[]) {
      await undefined
      broken('accepted')
      said.push(['accepted', id, nodeTaskId, at - Date.now(), others])
    },
    async abandoned(id: number, requeue: Requeue) {
      await undefined
      broken('abandoned')
      said.push(['abandoned', id, ...outcome(requeue)])
    },
    vanished: async (id: number, requeue: Requeue) => void said.push(['vanished', id, ...outcome(requeue)]),
  }
  const quarantine = {
    succeeded: (work: string) => said.push(['succeeded', work]),
    failed: (work: string, item: number, error: string) => said.push(['failed', work, item, error]),
  }
  const availability = new Availability({ probe: async () => undefined })
  availability.reportUp()
  const silent = Object.assign(Object.create(log), {
    info: () => undefined,
    warn: (_: object, message: string) => logged.push(message),
  })
  const session: NodeSession = Object.assign(Object.create(null), {
    ...{
      client,
      availability,
      quarantine,
      log: silent,
      onContact: () => (node.contacts += 1),
      node: { id: 1, name: 'n1' },
    },
    ...{ config: { Interval: 1, NodeTimeout: 7, MaxRequeues: 2 }, store: { now: Date.now, dispatch } },
  })
  const taken = () => said.splice(0).filter(line => !(Array.isArray(line) && line[0] === 'succeeded'))
  return { clock, node, said, taken, logged, database, unconfirmed: new Unconfirmed(session) }
}

test('what the node has is adopted: the newest attempt first, only with its mark and sample, and once', async t => {
  const tasks = [
    nodeTask(5, 'own'),
    nodeTask(6, 'own', { sha256: 'cd'.repeat(32) }),
    nodeTask(7, 'dist:2:1'),
    nodeTask(8, 'dist:2:1'),
  ]
  const { unconfirmed, taken } = scene(t, tasks, { claimed: [8] })
  await unconfirmed.settle([submission(1, { custom: 'own' }), submission(2)], signal)
  assert.deepEqual(taken(), [
    ['accepted', 2, 7, 0, []],
    ['accepted', 1, 5, 0, []],
  ])
})

test('a task of a file is none of a URL, whatever its mark says', async t => {
  const { unconfirmed, taken } = scene(t, [nodeTask(5, 'own')])
  await unconfirmed.settle([submission(1, { custom: 'own', sha256: null })], signal)
  assert.deepEqual(taken(), [['abandoned', 1, false, 2, 'node n1 does not have the task']])
})

test('what the node does not have is pending at once, and is looked for for a minute, every two seconds', async t => {
  const { unconfirmed, taken, said, node, clock } = scene(t, [])
  const one = submission(1)
  await unconfirmed.settle([one], signal)
  assert.deepEqual(taken(), [['abandoned', 1, false, 2, 'node n1 does not have the task']])
  assert.equal(node.contacts, 1)
  await clock.pass(1_999)
  await unconfirmed.settle([one], signal)
  assert.equal(node.looks, 1)
  assert.deepEqual(said, [], 'nothing is known of lists that were not read')
  await clock.pass(1)
  await unconfirmed.settle([one], signal)
  assert.equal(node.looks, 2)
  await clock.pass(57_999)
  await unconfirmed.settle([one], signal)
  assert.deepEqual(taken(), [])
  await clock.pass(2_000)
  await unconfirmed.settle([one], signal)
  assert.deepEqual(taken(), [['vanished', 1, false, 2, 'node n1 does not have the task']])
})

test('an upload that this process saw fail counts, for its own attempt only', async t => {
  const { unconfirmed, taken } = scene(t, [])
  unconfirmed.uploadFailed(101, 1)
  unconfirmed.uploadFailed(102, 1)
  await unconfirmed.settle([submission(1), submission(2, { attempt: 2 })], signal)
  assert.deepEqual(
    taken().map(line => Array.isArray(line) && line.slice(0, 3)),
    [
      ['abandoned', 2, false],
      ['abandoned', 1, true],
    ],
  )
})

test('a late copy is adopted, and nothing is remembered of what had failed', async t => {
  const tasks: TaskSummary[] = []
  const { unconfirmed, taken, clock } = scene(t, tasks)
  unconfirmed.uploadFailed(101, 1)
  const one = submission(1)
  await unconfirmed.settle([one], signal)
  tasks.push(nodeTask(9, one.custom))
  await clock.pass(2_000)
  await unconfirmed.settle([one], signal)
  assert.deepEqual(taken().slice(1), [['accepted', 1, 9, 0, []]])
  tasks.length = 0
  await unconfirmed.settle([one], signal)
  assert.deepEqual(taken(), [['abandoned', 1, false, 2, 'node n1 does not have the task']])
})

test('lists that cannot be read are the node’s fault, and after NodeTimeout the task may go elsewhere', async t => {
  const { unconfirmed, taken, said, node, clock, logged } = scene(t, [])
  node.fails = true
  const one = submission(1)
  await unconfirmed.settle([one], signal)
  assert.deepEqual(said.splice(0), [['failed', 'lists', 1, 'lists: HTTP 500']])
  assert.deepEqual(logged, ['the lists of a node cannot be read'])
  await clock.pass(6_999)
  await unconfirmed.settle([one], signal)
  assert.deepEqual(said.splice(0), [['failed', 'lists', 2, 'lists: HTTP 500']])
  const due = submission(2, { begunOn: one.begunOn })
  await clock.pass(1)
  await unconfirmed.settle([one, due], signal)
  assert.deepEqual(taken(), [
    ['failed', 'lists', 3, 'lists: HTTP 500'],
    ['abandoned', 2, true, 2, 'node n1 may have the task, but its lists cannot be read'],
  ])
  node.fails = false
  await clock.pass(2_000)
  await unconfirmed.settle([one], signal)
  assert.deepEqual(said[0], ['abandoned', 1, false, 2, 'node n1 does not have the task'])
  assert.deepEqual(said.at(-1), ['succeeded', 'lists'])
})

test('lists that take long are asked for after four times as long', async t => {
  const { unconfirmed, node, clock } = scene(t, [])
  Object.assign(node, { fails: true, slowMs: 1_000 })
  const one = submission(1)
  await unconfirmed.settle([one], signal)
  assert.equal(node.looks, 1)
  await clock.pass(3_999)
  await unconfirmed.settle([one], signal)
  assert.equal(node.looks, 1)
  await clock.pass(1)
  await unconfirmed.settle([one], signal)
  assert.equal(node.looks, 2)
})

test('lists that contradict the counters are the node’s fault as well', async t => {
  const { unconfirmed, said, node, clock } = scene(t, [])
  node.countsTooMany = true
  const settled = unconfirmed.settle([submission(1)], signal)
  for (let look = 0; look < 3; look += 1) await clock.pass(2_000)
  await settled
  assert.deepEqual(said, [['failed', 'lists', 1, 'lists: they contradict the status']])
})

test('a task that has failed on its node is adopted too', async t => {
  const { unconfirmed, taken } = scene(t, [nodeTask(5, 'dist:1:1', { phase: 'failed', status: 'failed_analysis' })])
  await unconfirmed.settle([submission(1)], signal)
  assert.deepEqual(taken(), [['accepted', 1, 5, 0, []]])
})

test('an outage of the node, an error of our own, and the end say nothing of its lists', async t => {
  for (const error of [new ServerAwayError('away', { cause: refused }), new TypeError('a fault of ours')]) {
    const { unconfirmed, said, node } = scene(t, [])
    Object.assign(node, { fails: true, error })
    await assert.rejects(unconfirmed.settle([submission(1)], signal), error)
    assert.deepEqual(said, [])
    t.mock.timers.reset()
  }
  const { unconfirmed, said, node } = scene(t, [])
  const stopping = new AbortController()
  Object.defineProperty(node, 'slowMs', {
    get() {
      stopping.abort(new Error('stopping'))
      return 0
    },
  })
  node.fails = true
  await assert.rejects(unconfirmed.settle([submission(1)], stopping.signal))
  assert.deepEqual(said, [])
})

test('a database that is away is told to whoever asked', async t => {
  for (const [broken, fails] of [['isClaimed'], ['accepted'], ['abandoned'], ['abandoned', true]] as const) {
    const tasks = broken === 'abandoned' ? [] : [nodeTask(5, 'dist:1:1')]
    const { unconfirmed, node, database } = scene(t, tasks)
    database.broken = broken
    node.fails = fails === true
    await assert.rejects(unconfirmed.settle([submission(1, { begunOn: 0 })], signal), /the database is away/)
    t.mock.timers.reset()
  }
})
