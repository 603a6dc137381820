/** What the store promises, on whichever database. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NameTakenError } from '../src/store/errors.js'
import type { NewTask } from '../src/store/model.js'
import type { Store } from '../src/store/store.js'
import { testFences } from './fence-claims.js'
import { testOperations } from './operation-claims.js'
import { testStatistics } from './statistics-claims.js'
import { COUNTERS, MACHINES, type MakeUrl, must, NOW, openerOf, REQUEUE, TASK } from './store-scene.js'
import { testSubmissions } from './submission-claims.js'

export function testStore(makeUrl: MakeUrl): void {
  const { open, withNodes } = openerOf(makeUrl)
  testSubmissions(makeUrl)
  testFences(makeUrl)
  testOperations(makeUrl)
  testStatistics(makeUrl)

  describe('a node', () => {
    test('keeps its machines in the order in which it listed them', async t => {
      const store = await open(t)
      await store.nodes.register('n', 'http://a/', MACHINES)
      const [node] = await store.nodes.list()
      assert.deepEqual(node?.machines, MACHINES)
      assert.equal(node?.url, 'http://a/')
      assert.equal(node?.state, 'new')
    })

    test('is registered once for each name and each URL, whatever the final slash', async t => {
      const store = await open(t)
      await store.nodes.register('n', 'http://a/', MACHINES)
      await store.nodes.register('n', 'http://a', [])
      assert.deepEqual((await store.nodes.get('n'))?.machines, [])
      await assert.rejects(store.nodes.register('n', 'http://b/', []), NameTakenError)
      await assert.rejects(store.nodes.register('m', 'http://a/', []), NameTakenError)
      assert.equal((await store.nodes.list()).length, 1)
    })

    test('that is disabled comes back with another URL', async t => {
      const store = await open(t)
      const { id } = await store.nodes.register('n', 'http://a/', [])
      await store.nodes.update('n', { enabled: false })
      const back = await store.nodes.register('n', 'http://b/', MACHINES)
      assert.equal(back.id, id)
      assert.equal(back.enabled, true)
      assert.equal(back.url, 'http://b/')
    })

    test('changes what is given and nothing else; an unknown one is not made', async t => {
      const { store } = await withNodes(t)
      const renamed = await store.nodes.update('n1', { name: 'x' })
      assert.deepEqual([renamed?.name, renamed?.url, renamed?.machines.length], ['x', 'http://a/', 2])
      assert.equal(await store.nodes.get('n1'), undefined)
      assert.equal(await store.nodes.update('n1', { enabled: true }), undefined)
      await assert.rejects(store.nodes.update('x', { name: 'n2' }), NameTakenError)
      await assert.rejects(store.nodes.update('x', { url: 'http://b' }), NameTakenError)
    })

    test('counts its failures until it answers again', async t => {
      const { store, first } = await withNodes(t)
      await store.nodes.recordStatus(first.id, {
        counters: COUNTERS,
        freeBytes: 7,
        at: NOW,
        quarantine: null,
        runningSince: {},
        kind: 'cape',
      })
      for (const error of ['refused', 'timed out']) {
        await store.nodes.recordFailure(first.id, { state: 'unreachable', error })
      }
      const down = await store.nodes.get('n1')
      assert.deepEqual(
        [down?.state, down?.kind, down?.failures, down?.lastError, down?.counters, down?.lastSeen],
        ['unreachable', 'cape', 2, 'timed out', null, NOW],
      )
      await store.nodes.recordStatus(first.id, {
        counters: COUNTERS,
        freeBytes: null,
        at: NOW + 1,
        quarantine: null,
        runningSince: {},
        kind: 'cuckoo',
      })
      const up = await store.nodes.get('n1')
      assert.deepEqual([up?.state, up?.failures, up?.lastError, up?.counters], ['up', 0, null, COUNTERS])
      assert.equal(up?.kind, 'cuckoo')
      const moved = await store.nodes.update('n1', { url: 'http://elsewhere' })
      assert.equal(moved?.kind, null)
    })
  })

  describe('a task', () => {
    test('is kept with all its fields', async t => {
      const store = await open(t)
      const given: NewTask = {
        ...TASK,
        package: 'exe',
        timeout: 90,
        priority: -3,
        options: 'free=yes',
        machine: 'm',
        tags: 'xp, office',
        custom: 'héllo',
        memory: 'no',
        clock: '10-01-2014 12:00:00',
        enforceTimeout: false,
        owner: 'me',
      }
      const { sample, ...fields } = given
      const task = await store.tasks.get(await store.tasks.create(given, NOW))
      for (const [name, value] of Object.entries(fields)) assert.deepEqual(Object(task)[name], value, name)
      assert.deepEqual([task?.samplePath, task?.sampleSize], [sample?.path, sample?.size])
      assert.deepEqual([task?.state, task?.category, task?.addedOn], ['pending', 'file', NOW])
    })

    test('is listed by id, filtered before it is paged', async t => {
      const store = await open(t)
      for (let i = 0; i < 6; i += 1) {
        await store.tasks.create({ ...TASK, owner: i % 2 === 0 ? 'even' : 'odd', priority: i }, NOW)
      }
      await store.dispatch.fail(3, 'x', NOW)
      const ids = async (filter: Parameters<Store['tasks']['list']>[0]) => {
        return (await store.tasks.list(filter)).map(task => task.id)
      }
      assert.deepEqual(await ids({}), [1, 2, 3, 4, 5, 6])
      assert.deepEqual(await ids({ owner: 'odd', offset: 1, limit: 1 }), [4])
      assert.deepEqual(await ids({ offset: 4 }), [5, 6])
      assert.deepEqual(await ids({ finished: true }), [3])
      assert.deepEqual(await ids({ finished: false, limit: 2 }), [1, 2])
      assert.deepEqual(await ids({ states: ['failed', 'finished'] }), [3])
      assert.deepEqual(await ids({ priority: 4 }), [5])
      assert.deepEqual(await ids({ completedAfter: NOW + 1 }), [])
      assert.deepEqual(await ids({ sha256: 's', md5: 'm', limit: 0 }), [])
    })

    test('never has the id of one that was deleted', async t => {
      const store = await open(t)
      const given = () => Promise.all([0, 1, 2].map(each => store.tasks.wasGiven(each)))
      assert.deepEqual(await given(), [false, false, false])
      const id = await store.tasks.create(TASK, NOW)
      await store.tasks.remove(id)
      assert.deepEqual(await given(), [false, true, false])
      assert.equal(await store.tasks.create(TASK, NOW), id + 1)
    })

    test('that no node has is gone as soon as it is deleted, and its files are obsolete', async t => {
      const store = await open(t)
      const id = await store.tasks.create(TASK, NOW)
      assert.equal((await store.tasks.remove(id))?.id, id)
      assert.equal(await store.tasks.get(id), undefined)
      assert.equal(await store.tasks.remove(id), undefined)
      assert.deepEqual(await store.tasks.list({ states: ['deleted'] }), [])
      const files = await store.files.obsolete(9)
      assert.deepEqual(files, [
        { kind: 'reports', path: String(id) },
        { kind: 'sample', path: 'ab/sample.bin' },
      ])
      await store.files.removed(files)
      assert.deepEqual(await store.files.obsolete(9), [])
    })
  })

  describe('the queue', () => {
    test('has each requirement once, and its tasks by priority, then by age, that may be sent now', async t => {
      const { store, first } = await withNodes(t)
      await store.tasks.create(TASK, NOW)
      await store.tasks.create({ ...TASK, priority: 5 }, NOW)
      await store.tasks.create({ ...TASK, priority: 0 }, NOW)
      await store.tasks.create({ ...TASK, tags: 'b,a' }, NOW)
      await store.tasks.create({ ...TASK, tags: ' a, b' }, NOW)
      const requirements = await store.dispatch.pendingRequirements('', 9)
      assert.equal(requirements.length, 2)
      assert.deepEqual(await store.dispatch.pendingRequirements('', 1), requirements.slice(0, 1))
      assert.deepEqual(await store.dispatch.pendingRequirements(requirements[0] ?? '', 9), requirements.slice(1))
      const next = async (limit: number) => {
        return (await store.dispatch.nextPending(requirements, limit)).map(task => task.id)
      }
      assert.deepEqual(await next(9), [2, 1, 4, 5, 3])
      assert.deepEqual(await next(1), [2, 4], 'of each so many')
      assert.deepEqual(await store.dispatch.nextPending([], 9), [])
      const submission = must(await store.dispatch.begin(2, first.id, NOW))
      await store.dispatch.vanished(submission.id, { ...REQUEUE, notBefore: NOW + 10 })
      await store.dispatch.release(NOW + 9)
      assert.deepEqual(await next(1), [1, 4])
      await store.dispatch.release(NOW + 10)
      assert.deepEqual(await next(1), [2, 4])
    })

    test('tells why tasks wait, until it is told otherwise', async t => {
      const store = await open(t)
      const whole = { after: '', upTo: undefined }
      const set = (reasons: Record<string, string>, range: { after: string; upTo: string | undefined }) => {
        return store.dispatch.setWaitReasons(new Map(Object.entries(reasons)), range)
      }
      const told = async () => Object.fromEntries((await store.tasks.waitReasons(9)).reasons)
      await set({ a: 'no node', b: 'full' }, whole)
      await set({ b: 'fuller', c: 'new' }, whole)
      assert.deepEqual(await told(), { b: 'fuller', c: 'new' })
      assert.equal(await store.tasks.waitReason('b'), 'fuller')
      assert.equal(await store.tasks.waitReason('a'), undefined)
      await set({}, { after: '', upTo: 'b' })
      assert.deepEqual(await told(), { c: 'new' })
      await set({ d: 'x', e: 'y' }, { after: 'c', upTo: undefined })
      const { reasons, total } = await store.tasks.waitReasons(2)
      assert.deepEqual([[...reasons.keys()], total], [['c', 'd'], 3])
      await set({}, whole)
      assert.deepEqual(await told(), {})
    })
  })

  test('counts are of tasks that exist', async t => {
    const store = await open(t)
    for (let i = 0; i < 3; i += 1) await store.tasks.create(TASK, NOW + i)
    await store.dispatch.fail(1, 'x', NOW)
    await store.tasks.remove(2)
    const { pending, failed, finished } = await store.tasks.counts()
    assert.deepEqual([pending, failed, finished], [1, 1, 0])
    assert.equal(await store.tasks.oldestPending(), NOW + 2)
  })

  test('everything is there after a restart', async t => {
    const url = await makeUrl()
    const before = await open(t, { url })
    const { id: storeId } = before
    await before.tasks.create(TASK, NOW)
    await before.recordCycle(NOW)
    await before[Symbol.asyncDispose]()
    const after = await open(t, { url })
    assert.equal(after.id, storeId)
    assert.equal((await after.tasks.list({})).length, 1)
    assert.equal(await after.lastCycle(), NOW)
  })
}
