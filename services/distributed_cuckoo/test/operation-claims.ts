/** What operators do with tasks, in the store. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Store } from '../src/store/store.js'
import { COUNTERS, type MakeUrl, must, NOW, openerOf, REQUEUE, stateOf, TASK } from './store-scene.js'

export function testOperations(makeUrl: MakeUrl): void {
  const { withNodes } = openerOf(makeUrl)

  describe('a pending task', () => {
    test('goes to another place in the queue, or to the node it is pinned to; what is left out stays', async t => {
      const { store, second } = await withNodes(t)
      const id = await store.tasks.create({ ...TASK, tags: 'xp' }, NOW)
      assert.equal(await store.tasks.change(id, { priority: 7, pinNodeId: second.id }), 'changed')
      const task = await store.tasks.get(id)
      assert.deepEqual([task?.priority, task?.tags, task?.pinNodeName], [7, 'xp', 'n2'])
      assert.deepEqual(await store.dispatch.pendingRequirements('', 9), [task?.requirement])
      assert.equal(await store.tasks.change(id, { tags: null, pinNodeId: null }), 'changed')
      const changed = await store.tasks.get(id)
      assert.deepEqual([changed?.priority, changed?.tags, changed?.pinNodeId], [7, null, null])
      assert.equal(changed?.requirement, '["windows",null]')
    })

    test('that was changed since it was planned is not sent as it was planned', async t => {
      const { store, first } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const planned = await store.tasks.get(id)
      await store.tasks.change(id, { tags: 'office' })
      assert.equal(await store.dispatch.begin(id, first.id, NOW, planned), undefined)
      const anew = await store.tasks.get(id)
      assert.notEqual(await store.dispatch.begin(id, first.id, NOW, anew), undefined)
      assert.equal(await store.tasks.change(id, { priority: 2 }), 'not-pending')
      assert.equal(await store.tasks.change(id + 1, { priority: 2 }), 'unknown')
    })
  })

  test('a node that was disabled since a plan was drawn gets no task of it', async t => {
    const { store, first } = await withNodes(t)
    const id = await store.tasks.create(TASK, NOW)
    await store.nodes.update('n1', { enabled: false })
    assert.equal(await store.dispatch.begin(id, first.id, NOW), undefined)
    assert.deepEqual(stateOf(await store.tasks.get(id)), ['pending', null, null])
  })

  test('a task is removed with others only when nothing can come of it any more', async t => {
    const { store, first } = await withNodes(t)
    const id = await store.tasks.create(TASK, NOW)
    const isRemoved = (isDry: boolean) => store.tasks.removeSettled(id, { isDry })
    assert.equal(await isRemoved(false), false)
    const submission = must(await store.dispatch.begin(id, first.id, NOW))
    await store.dispatch.accepted(submission.id, 5, NOW)
    await store.dispatch.fail(id, 'x', NOW)
    assert.equal(await isRemoved(false), false, 'its copy may have a result yet')
    await store.dispatch.failedOnNode(submission.id, 'x', NOW)
    assert.equal(await isRemoved(true), true)
    assert.equal((await store.tasks.get(id))?.state, 'failed')
    assert.equal(await isRemoved(false), true)
    assert.equal(await store.tasks.get(id), undefined)
    assert.deepEqual(
      (await store.files.obsolete(9)).map(({ kind }) => kind),
      ['reports', 'sample'],
    )
    assert.equal(await isRemoved(false), false)
  })

  describe('a task that came to nothing', () => {
    test('has the reason of each try, with its time, and the last twenty only', async t => {
      const { store, first } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      for (let i = 1; i <= 22; i += 1) {
        const submission = must(await store.dispatch.begin(id, first.id, NOW))
        await store.dispatch.vanished(submission.id, { ...REQUEUE, at: NOW + i, error: `try ${i}`, counted: false })
      }
      await store.dispatch.fail(id, 'at last', NOW + 23)
      const retries = (await store.tasks.get(id))?.retries ?? []
      assert.equal(retries.length, 20)
      assert.deepEqual(retries[0], { at: NOW + 4, attempt: 4, reason: 'try 4' })
      assert.deepEqual(retries.at(-1), { at: NOW + 23, attempt: 22, reason: 'at last' })
    })

    test('is pending again as often as before, once what it has left is removed', async t => {
      const { store, first } = await withNodes(t, { keepSamples: true })
      const id = await store.tasks.create(TASK, NOW)
      assert.equal(await store.tasks.reschedule(id), 'not-failed')
      await exhaust(store, id, first.id)
      assert.equal(await store.tasks.reschedule(id), 'untidy')
      await store.files.removed(await store.files.obsolete(9))
      assert.equal(await store.tasks.reschedule(id), 'pending')
      const task = await store.tasks.get(id)
      assert.deepEqual(stateOf(task), ['pending', null, null])
      assert.deepEqual([task?.requeues, task?.error, task?.completedOn, task?.avoidNodeId], [0, null, null, first.id])
      assert.equal((await store.tasks.list({ finished: false })).length, 1)
      assert.equal(await store.tasks.reschedule(id), 'not-failed')
      await exhaust(store, id, first.id)
    })

    test('cannot be sent again without its sample', async t => {
      const { store } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      await store.dispatch.fail(id, 'x', NOW)
      await store.files.removed(await store.files.obsolete(9))
      assert.equal(await store.tasks.reschedule(id), 'sample-gone')
      await store.tasks.remove(id)
      assert.equal(await store.tasks.reschedule(id), 'unknown')
    })

    test('and is rescheduled by two clients at once is so once', async t => {
      const { store } = await withNodes(t)
      const id = await store.tasks.create({ ...TASK, sample: null, url: 'http://x/' }, NOW)
      await store.dispatch.fail(id, 'x', NOW)
      await store.files.removed(await store.files.obsolete(9))
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => store.tasks.reschedule(id)))
      assert.equal(outcomes.filter(outcome => outcome === 'pending').length, 1)
    })
  })

  test('how far a node is counts for the copy that a task has there now', async t => {
    const { store, first, second } = await withNodes(t)
    const id = await store.tasks.create(TASK, NOW)
    const old = must(await store.dispatch.begin(id, first.id, NOW))
    await store.dispatch.accepted(old.id, 5, NOW)
    const status = { counters: COUNTERS, freeBytes: null, quarantine: null, kind: null, at: NOW }
    const waiting = await store.tasks.get(id)
    assert.deepEqual([waiting?.nodeState, waiting?.runningOn], ['pending', null])
    await store.nodes.recordStatus(first.id, { ...status, runningSince: { [old.id]: NOW } })
    const running = await store.tasks.get(id)
    assert.deepEqual([running?.nodeState, running?.runningOn], ['running', NOW])
    await store.dispatch.abandoned(old.id, REQUEUE)
    const requeued = await store.tasks.get(id)
    assert.deepEqual([requeued?.nodeState, requeued?.runningOn], [null, null])
    const now = must(await store.dispatch.begin(id, second.id, NOW))
    await store.dispatch.accepted(now.id, 5, NOW)
    assert.equal((await store.tasks.get(id))?.nodeState, 'pending')
    assert.deepEqual((await store.nodes.get('n1'))?.runningSince, { [old.id]: NOW })
    await store.nodes.recordStatus(second.id, { ...status, runningSince: { [now.id]: NOW + 1 } })
    for (const listed of await store.tasks.list({ states: ['processing'] })) {
      assert.deepEqual([listed.id, listed.nodeState, listed.runningOn], [id, 'running', NOW + 1])
    }
    await store.dispatch.failedOnNode(now.id, 'x', NOW + 2, NOW + 1)
    const failed = await store.tasks.get(id)
    assert.deepEqual([failed?.state, failed?.nodeState, failed?.runningOn], ['failed', null, NOW + 1])
  })
}

/** Lets the task come to nothing on this node until it fails. */
async function exhaust(store: Store, id: number, nodeId: number): Promise<void> {
  for (let i = 0; i <= REQUEUE.maxRequeues; i += 1) {
    const submission = must(await store.dispatch.begin(id, nodeId, NOW))
    await store.dispatch.vanished(submission.id, REQUEUE)
  }
  assert.equal((await store.tasks.get(id))?.state, 'failed')
}
