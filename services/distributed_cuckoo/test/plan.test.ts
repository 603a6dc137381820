import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Demand, drawPlan } from '../src/dispatch/plan.js'
import type { Candidate } from '../src/nodes/node-worker.js'
import type { Machine, Task } from '../src/store/model.js'
import { requirementOf } from '../src/store/requirement.js'
import { NO_OPTIONS } from './store-scene.js'

const LIMITS = { threshold: 500, perNode: 100 }
const WINDOWS: Machine = { name: 'w1', platform: 'windows', tags: [] }

function node(id: number, given: Partial<Candidate> = {}): Candidate {
  return {
    id,
    name: `n${id}`,
    enabled: true,
    up: true,
    quarantine: null,
    room: Infinity,
    machines: [WINDOWS],
    pending: 0,
    running: 0,
    lastGiven: 0,
    ...given,
  }
}

function task(id: number, given: Partial<Task> = {}): Task {
  const { sample: _, ...options } = NO_OPTIONS
  return {
    ...options,
    id,
    state: 'pending',
    category: 'file',
    sampleSize: 1,
    md5: null,
    sha256: null,
    samplePath: null,
    requirement: requirementOf({ machine: null, platform: null, tags: null, pinNodeId: null, ...given }),
    attempt: 0,
    requeues: 0,
    avoidNodeId: null,
    submissionId: null,
    nodeId: null,
    nodeName: null,
    nodeTaskId: null,
    nodeState: null,
    pinNodeName: null,
    retries: [],
    error: null,
    addedOn: 0,
    startedOn: null,
    runningOn: null,
    completedOn: null,
    ...given,
  }
}

/** As the store gives them: by requirement, priority descending, then id. */
function demandsOf(tasks: readonly Task[]): Demand[] {
  const requirements = [...new Set(tasks.map(({ requirement }) => requirement))]
  return requirements.map(requirement => ({
    requirement,
    tasks: tasks
      .filter(task => task.requirement === requirement)
      .sort((a, b) => b.priority - a.priority || a.id - b.id),
  }))
}

function planOf(tasks: readonly Task[], nodes: readonly Candidate[], limits = LIMITS) {
  const { assignments, reasons } = drawPlan(demandsOf(tasks), nodes, limits)
  const ids = Object.fromEntries([...assignments].map(([id, given]) => [id, given.map(({ id }) => id)]))
  return { ids, reasons: [...reasons.values()] }
}

function tasks(count: number, given: Partial<Task> = {}): Task[] {
  return Array.from({ length: count }, (_, i) => task(i + 1, given))
}

describe('a plan', () => {
  test('shares six tasks of two idle nodes three to three', () => {
    const { ids } = planOf(tasks(6), [node(1), node(2)])
    assert.deepEqual(ids, { 1: [1, 3, 5], 2: [2, 4, 6] })
  })

  test('counts what waits and runs on a node, for each of its machines', () => {
    const two = [WINDOWS, { ...WINDOWS, name: 'w2' }]
    const { ids } = planOf(tasks(4), [node(1, { machines: two, pending: 1, running: 1 }), node(2, { pending: 2 })])
    assert.deepEqual(ids, { 1: [1, 2, 4], 2: [3] })
  })

  test('gives a single task to the node that has waited longest', () => {
    const { ids } = planOf(tasks(1), [node(1, { lastGiven: 7 }), node(2, { lastGiven: 3 })])
    assert.deepEqual(ids, { 1: [], 2: [1] })
  })

  test('sends by priority, then by age, whatever the priority is', () => {
    const given = [task(1), task(2, { priority: 0 }), task(3, { priority: 5 }), task(4, { priority: 5 })]
    assert.deepEqual(planOf(given, [node(1)]).ids, { 1: [3, 4, 1, 2] })
  })

  test('sends by age across tasks with different requirements', () => {
    const given = [task(1, { platform: 'windows' }), task(2), task(3, { platform: 'windows' }), task(4)]
    assert.deepEqual(planOf(given, [node(1)]).ids, { 1: [1, 2, 3, 4] })
  })

  test('weighs priorities across tasks with different requirements', () => {
    const given = [task(1), task(2, { platform: 'windows', priority: 2 }), task(3, { tags: 'xp', priority: 3 })]
    const machine = { ...WINDOWS, tags: ['xp'] }
    assert.deepEqual(planOf(given, [node(1, { machines: [machine] })], { threshold: 2, perNode: 9 }).ids, { 1: [3, 2] })
  })

  test('fills a node up to the threshold of waiting tasks', () => {
    const { ids } = planOf(tasks(9), [node(1, { pending: 3 })], { threshold: 5, perNode: 9 })
    assert.deepEqual(ids, { 1: [1, 2] })
  })

  test('gives nothing to a node that is disabled or does not answer', () => {
    const { ids } = planOf(tasks(3), [node(1, { enabled: false }), node(2, { up: false }), node(3)])
    assert.deepEqual(ids, { 1: [], 2: [], 3: [1, 2, 3] })
  })

  test('asks for platform, all tags and name on one and the same machine', () => {
    const machines = [
      { name: 'xp', platform: 'windows', tags: ['office', 'xp'] },
      { name: 'lx', platform: 'linux', tags: ['elf'] },
    ]
    const given = [
      task(1, { platform: 'windows', tags: 'xp, office' }),
      task(2, { platform: 'linux', tags: 'office' }),
      task(3, { machine: 'lx' }),
      task(4, { machine: 'lx', platform: 'windows' }),
    ]
    assert.deepEqual(planOf(given, [node(1, { machines })]).ids, { 1: [1, 3] })
  })

  test('takes a node that lists no machines for one of any platform, but without tags and names', () => {
    const given = [task(1, { platform: 'linux' }), task(2, { tags: 'xp' }), task(3, { machine: 'w1' })]
    assert.deepEqual(planOf(given, [node(1, { machines: [] })]).ids, { 1: [1] })
  })

  test('is not held up by tasks that no node can take', () => {
    const given = [task(1, { tags: 'nobody', priority: 9 }), task(2)]
    assert.deepEqual(planOf(given, [node(1)]).ids, { 1: [2] })
  })
})

describe('a task that has to wait', () => {
  const reasonsOf = (given: Partial<Task>, nodes: readonly Candidate[]) => {
    return planOf([task(1, given)], nodes, { threshold: 5, perNode: 9 }).reasons
  }

  test('has a reason that names what is missing', () => {
    assert.deepEqual(reasonsOf({}, []), ['no node is enabled'])
    assert.deepEqual(reasonsOf({}, [node(1, { enabled: false })]), ['no node is enabled'])
    assert.deepEqual(reasonsOf({ platform: 'linux', tags: 'b,a' }, [node(1)]), [
      'no enabled node has a machine for platform linux, tags a,b; machines are read now and then, and on POST /node/<name>/refresh',
    ])
    assert.deepEqual(reasonsOf({}, [node(1, { up: false, quarantine: 'json: HTTP 500' }), node(2, { up: false })]), [
      'node n1, which could run it, is in quarantine: json: HTTP 500',
    ])
    assert.deepEqual(reasonsOf({}, [node(1, { up: false })]), ['no node that could run it answers'])
    assert.deepEqual(reasonsOf({}, [node(1, { pending: 5 })]), [
      'every node that could run it has 5 or more pending tasks',
    ])
  })

  test('hears of nodes that are full, whether of tasks that wait or of all that they may have', () => {
    const MAY_HAVE = 'every node that could run it has as many pending tasks as it may have'
    assert.deepEqual(reasonsOf({}, [node(1, { room: 0 })]), [MAY_HAVE])
    assert.deepEqual(reasonsOf({}, [node(1, { pending: 5 }), node(2, { pending: 1, room: 0 })]), [MAY_HAVE])
    assert.deepEqual(reasonsOf({}, [node(1, { pending: 4 }), node(2, { room: 0 })]), [])
  })

  test('names the node that it is pinned to when that is disabled, whatever others are', () => {
    const requirement = requirementOf({ machine: null, platform: null, tags: null, pinNodeId: 1 })
    const reasons = reasonsOf({ requirement }, [node(1, { enabled: false }), node(2)])
    assert.deepEqual(reasons, ['node n1, which it is pinned to, is disabled'])
  })

  test('has none when it only waits for its turn', () => {
    assert.deepEqual(reasonsOf({}, [node(1)]), [])
  })
})

describe('a node', () => {
  test('that a task came to nothing on is avoided as long as another one has room', () => {
    const avoiding = { avoidNodeId: 1 }
    const idle = node(1)
    assert.deepEqual(planOf([task(7, avoiding)], [idle, node(2, { running: 9 })], LIMITS).ids[2]?.length, 1)
    assert.deepEqual(planOf([task(7, avoiding)], [idle, node(2, { pending: 500 })], LIMITS).ids[1]?.length, 1)
    assert.deepEqual(planOf([task(7, avoiding)], [idle, node(2, { up: false })], LIMITS).ids[1]?.length, 1)
    assert.deepEqual(planOf([task(7, avoiding)], [idle], LIMITS).ids[1]?.length, 1)
  })

  test('on trial gets as many tasks as it has room for', () => {
    const { ids } = planOf([task(1), task(2), task(3)], [node(1, { room: 1 })], LIMITS)
    assert.equal(ids[1]?.length, 1)
  })

  test('a pinned task goes to its node, however much that has to do', () => {
    const requirement = requirementOf({ machine: null, platform: null, tags: null, pinNodeId: 2 })
    const { assignments } = drawPlan(demandsOf([task(1, { requirement })]), [node(1), node(2, { running: 9 })], LIMITS)
    assert.deepEqual(
      assignments.get(2)?.map(({ id }) => id),
      [1],
    )
  })
})
