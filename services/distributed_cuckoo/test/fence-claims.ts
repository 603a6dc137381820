/** What the store promises when several act on one task or node at the same time, on whichever database. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { NameTakenError } from '../src/store/errors.js'
import type { Report } from '../src/store/model.js'
import type { Store } from '../src/store/store.js'
import { accepted, type MakeUrl, must, NOW, openerOf, REQUEUE, stateOf, TASK } from './store-scene.js'

const ROUNDS = 12
const KEPT: Report = { format: 'json', size: 3, reason: null, retry: false }
const MISSING: Report = { format: 'html', size: null, reason: 'HTTP 500', retry: true }

export function testFences(makeUrl: MakeUrl): void {
  const { open, withNodes } = openerOf(makeUrl)

  /** As many connections as the pool has: one that is warm would put everything in line by itself. */
  const warm = async (t: TestContext) => {
    const scene = await withNodes(t)
    await Promise.all(Array.from({ length: 20 }, () => scene.store.tasks.counts()))
    return scene
  }
  const fetching = async (store: Store, nodeId: number) => {
    const made = await accepted(store, nodeId)
    assert(await store.dispatch.beginFetch(made.copy))
    await store.dispatch.fetching(made.copy)
    return made
  }

  describe('at the same time', () => {
    test('two results and a deletion: the task is gone with all of its reports, whoever was first', async t => {
      const { store, first } = await warm(t)
      for (let round = 0; round < ROUNDS; round += 1) {
        const { id, copy } = await fetching(store, first.id)
        const [, one, two] = await Promise.all([
          store.tasks.remove(id),
          store.dispatch.finish(copy, [KEPT], NOW),
          store.dispatch.finish(copy, [KEPT], NOW),
        ])
        assert(!(one && two), 'it was finished twice')
        assert.equal(await store.tasks.get(id), undefined)
        assert.deepEqual(await store.tasks.reports(id), [])
        await store.dispatch.discarded([copy])
        assert.deepEqual(await store.tasks.list({ states: ['deleted'] }), [])
      }
    })

    test('a result and a failure: the task has the one or the other', async t => {
      const { store, first } = await warm(t)
      for (let round = 0; round < ROUNDS; round += 1) {
        const { id, copy } = await fetching(store, first.id)
        const [finished, failed] = await Promise.all([
          store.dispatch.finish(copy, [KEPT], NOW),
          store.dispatch.fail(id, 'x', NOW),
        ])
        assert.notEqual(finished, failed)
        const task = await store.tasks.get(id)
        assert.deepEqual([task?.state, task?.error], finished ? ['finished', null] : ['failed', 'x'])
        assert.equal((await store.tasks.reports(id)).length, finished ? 1 : 0)
      }
    })

    test('many answers to one upload: the first id counts, for the copy and for the task', async t => {
      const { store, first } = await warm(t)
      for (let round = 0; round < ROUNDS; round += 1) {
        const id = await store.tasks.create(TASK, NOW)
        const { id: copy } = must(await store.dispatch.begin(id, first.id, NOW))
        const answers = await Promise.all([1, 2, 3, 4, 5].map(n => store.dispatch.accepted(copy, n, NOW)))
        const ids = new Set(answers.map(answer => answer?.nodeTaskId))
        assert.equal(ids.size, 1, `${[...ids]}`)
        assert.equal((await store.tasks.get(id))?.nodeTaskId, [...ids][0])
      }
    })

    test('a node that accepts and a deletion: the copy is to be removed, and the task is not there', async t => {
      const { store, first } = await warm(t)
      for (let round = 0; round < ROUNDS; round += 1) {
        const id = await store.tasks.create(TASK, NOW)
        const { id: copy } = must(await store.dispatch.begin(id, first.id, NOW))
        await Promise.all([store.dispatch.accepted(copy, 7, NOW), store.tasks.remove(id)])
        assert.deepEqual(
          (await store.dispatch.submissionsOf(id)).map(({ state }) => state),
          ['discarding'],
        )
        assert.equal(await store.tasks.get(id), undefined)
      }
    })

    test('a node that is lost, from several sides: one more attempt is counted, not several', async t => {
      const { store, first } = await warm(t)
      for (let round = 0; round < ROUNDS; round += 1) {
        const { id, copy } = await accepted(store, first.id)
        await Promise.all([1, 2, 3].map(() => store.dispatch.abandoned(copy, REQUEUE)))
        const task = await store.tasks.get(id)
        assert.deepEqual([task?.state, task?.requeues, task?.avoidNodeId], ['pending', 1, first.id])
      }
    })

    test('late results from two nodes: one of them is the result, and no format is there twice', async t => {
      const { store, first, second } = await warm(t)
      for (let round = 0; round < ROUNDS; round += 1) {
        const { id, copy } = await accepted(store, first.id)
        await store.dispatch.abandoned(copy, REQUEUE)
        const other = must(await store.dispatch.begin(id, second.id, NOW)).id
        await store.dispatch.accepted(other, 9, NOW)
        await store.dispatch.abandoned(other, REQUEUE)
        const amended = await Promise.all([copy, other].map(late => store.dispatch.amend(late, [KEPT], NOW)))
        assert.deepEqual(amended.filter(Boolean).length, 1)
        assert.equal((await store.tasks.reports(id)).length, 1)
      }
    })

    test('registrations of one name and URL make one node; of one URL under many names one succeeds', async t => {
      const store = await open(t)
      await Promise.all(Array.from({ length: 20 }, () => store.tasks.counts()))
      const same = await Promise.allSettled([1, 2, 3, 4, 5, 6].map(() => store.nodes.register('n', 'http://a/', [])))
      assert(same.some(({ status }) => status === 'fulfilled'))
      const names = ['p', 'q', 'r', 's', 't', 'u']
      const tries = await Promise.allSettled(names.map(name => store.nodes.register(name, 'http://b/', [])))
      assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1)
      for (const one of [...same, ...tries])
        if (one.status === 'rejected') assert(one.reason instanceof NameTakenError, one.reason)
      assert.equal((await store.nodes.list()).length, 2)
    })
  })

  describe('what comes too late', () => {
    test('the end of an upload that was given up changes nothing', async t => {
      const { store, first, second } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const old = must(await store.dispatch.begin(id, first.id, NOW))
      await store.dispatch.vanished(old.id, REQUEUE)
      const current = must(await store.dispatch.begin(id, second.id, NOW))
      assert.equal(await store.dispatch.accepted(old.id, 7, NOW), undefined)
      await store.dispatch.vanished(old.id, REQUEUE)
      assert.equal(await store.dispatch.failedOnNode(old.id, 'x', NOW), false)
      assert.deepEqual(stateOf(await store.tasks.get(id)), ['submitting', 'n2', null])
      assert.equal((await store.tasks.get(id))?.submissionId, current.id)
    })

    test('a stale copy that is accepted while the current one is being sent is not taken for that', async t => {
      const { store, first, second } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const stale = must(await store.dispatch.begin(id, first.id, NOW))
      await store.dispatch.abandoned(stale.id, REQUEUE)
      await store.dispatch.begin(id, second.id, NOW)
      await store.dispatch.accepted(stale.id, 7, NOW)
      assert.deepEqual(stateOf(await store.tasks.get(id)), ['submitting', 'n2', null])
    })

    test('the result of a copy that was given up is never taken for that of its task’s current one', async t => {
      const { store, first, second } = await withNodes(t)
      const { id, copy: old } = await accepted(store, first.id)
      await store.dispatch.abandoned(old, REQUEUE)
      const untaken = async (state: string) => {
        await store.dispatch.fetching(old)
        assert.equal((await store.tasks.get(id))?.state, state)
        await store.dispatch.fetchFailed(old, 'of the old one')
        assert.equal(await store.dispatch.finish(old, [KEPT], NOW), false, state)
        const task = await store.tasks.get(id)
        assert.deepEqual([task?.state, task?.error], [state, REQUEUE.error])
        assert.deepEqual(await store.tasks.reports(id), [])
      }
      await untaken('pending')
      const { id: current } = must(await store.dispatch.begin(id, second.id, NOW))
      await untaken('submitting')
      assert.equal(await store.dispatch.finish(current, [KEPT], NOW), false, 'its node has not accepted it')
      await store.dispatch.accepted(current, 9, NOW)
      assert.equal((await store.tasks.get(id))?.submissionId, current)
      await store.dispatch.finish(old, [KEPT], NOW)
      assert.deepEqual(stateOf(await store.tasks.get(id)), ['processing', 'n2', 9])
      assert.equal(await store.dispatch.finish(current, [KEPT], NOW), true)
    })

    test('the loss of the copy that a task was finished or failed with does not begin it anew', async t => {
      const { store, first } = await withNodes(t)
      for (const end of ['finished', 'failed'] as const) {
        const { id, copy } = await fetching(store, first.id)
        if (end === 'finished') await store.dispatch.finish(copy, [KEPT, MISSING], NOW)
        else await store.dispatch.fail(id, 'x', NOW)
        await store.dispatch.abandoned(copy, REQUEUE)
        assert.equal((await store.tasks.get(id))?.state, end)
        await store.dispatch.vanished(copy, REQUEUE)
        assert.equal((await store.tasks.get(id))?.state, end)
      }
    })

    test('the loss of the last copy of a deleted task ends it', async t => {
      const { store, first, second } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const one = must(await store.dispatch.begin(id, first.id, NOW))
      await store.dispatch.abandoned(one.id, REQUEUE)
      const two = must(await store.dispatch.begin(id, second.id, NOW))
      await store.tasks.remove(id)
      const states = (await store.dispatch.submissionsOf(id)).map(({ state }) => state)
      assert.deepEqual(states, ['sending', 'sending'], 'what a node may have is still to be looked for')
      const left = async () => (await store.tasks.list({ states: ['deleted'] })).length
      await store.dispatch.vanished(one.id, REQUEUE)
      assert.equal(await left(), 1)
      await store.dispatch.vanished(two.id, REQUEUE)
      assert.equal(await left(), 0)
    })

    test('a stale copy that is accepted, lost, or given up by its node leaves the current one alone', async t => {
      const { store, first, second } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const stale = must(await store.dispatch.begin(id, first.id, NOW))
      await store.dispatch.abandoned(stale.id, REQUEUE)
      const current = must(await store.dispatch.begin(id, second.id, NOW))
      await store.dispatch.accepted(current.id, 9, NOW)
      await store.dispatch.accepted(stale.id, 7, NOW)
      assert.deepEqual(stateOf(await store.tasks.get(id)), ['processing', 'n2', 9])
      await store.dispatch.abandoned(stale.id, { ...REQUEUE, maxRequeues: 0 })
      await store.dispatch.fetchFailed(stale.id, 'x')
      assert.equal(await store.dispatch.failedOnNode(stale.id, 'x', NOW), false)
      const task = await store.tasks.get(id)
      assert.deepEqual([...stateOf(task), task?.requeues, task?.error], ['processing', 'n2', 9, 1, null])
      assert.deepEqual(
        (await store.dispatch.submissionsOf(id)).map(({ state }) => state),
        ['discarding', 'accepted'],
      )
      await store.dispatch.vanished(stale.id, { ...REQUEUE, maxRequeues: 0 })
      assert.deepEqual(stateOf(await store.tasks.get(id)), ['processing', 'n2', 9])
    })

    test('a copy that a node turns out to have of a finished task is to be removed, of a failed one it may be the result', async t => {
      const { store, first, second } = await withNodes(t)
      for (const [end, state] of [
        ['finished', 'discarding'],
        ['failed', 'accepted'],
      ] as const) {
        const id = await store.tasks.create(TASK, NOW)
        const unsure = must(await store.dispatch.begin(id, first.id, NOW))
        await store.dispatch.abandoned(unsure.id, REQUEUE)
        const current = must(await store.dispatch.begin(id, second.id, NOW)).id
        await store.dispatch.accepted(current, 9, NOW)
        await store.dispatch.beginFetch(current)
        if (end === 'finished') await store.dispatch.finish(current, [KEPT], NOW)
        else await store.dispatch.fail(id, 'x', NOW)
        assert.equal((await store.dispatch.accepted(unsure.id, 7, NOW))?.state, state)
        assert.equal((await store.tasks.get(id))?.nodeTaskId, 9)
      }
    })

    test('a failed fetch of a task that is finished, failed or gone', async t => {
      const { store, first } = await withNodes(t)
      const { id, copy } = await fetching(store, first.id)
      await store.dispatch.fail(id, 'first', NOW)
      await store.dispatch.fetchFailed(copy, 'second')
      assert.equal(await store.dispatch.finish(copy, [KEPT], NOW), false)
      assert.equal(await store.dispatch.fail(id, 'third', NOW), false)
      assert.equal(await store.dispatch.failedOnNode(copy, 'fourth', NOW), false)
      const task = await store.tasks.get(id)
      assert.deepEqual([task?.state, task?.error], ['failed', 'first'])
    })
  })

  describe('a result that comes late', () => {
    test('finishes a failed task, once what was left of it is removed', async t => {
      const { store, first } = await withNodes(t)
      const { id, copy } = await accepted(store, first.id)
      await store.dispatch.fail(id, 'no report', NOW)
      assert.equal(await store.dispatch.isWanted(copy), true)
      assert.equal(await store.dispatch.beginFetch(copy), undefined, 'the janitor is to come first')
      await store.files.removed(await store.files.obsolete(9))
      assert.deepEqual(await store.dispatch.beginFetch(copy), { late: true, settled: [] })
      assert.equal(await store.dispatch.amend(copy, [MISSING], NOW), false, 'nothing is no result')
      assert.equal((await store.tasks.get(id))?.state, 'failed')
      assert.equal(await store.dispatch.amend(copy, [KEPT], NOW + 9), true)
      const task = await store.tasks.get(id)
      assert.deepEqual([task?.state, task?.error, task?.completedOn], ['finished', null, NOW + 9])
      assert.deepEqual(
        (await store.dispatch.submissionsOf(id)).map(({ state }) => state),
        ['accepted'],
      )
      assert.equal(await store.dispatch.beginFetch(copy), undefined, 'it only has to be deleted')
      assert.equal(await store.dispatch.isWanted(copy), false)
    })

    test('adds what was missing, and takes nothing away; then the copy is of no more use', async t => {
      const { store, first } = await withNodes(t)
      const { id, copy } = await fetching(store, first.id)
      assert.equal(await store.dispatch.finish(copy, [KEPT, MISSING], NOW), true)
      assert.equal((await store.tasks.get(id))?.error, 'html: HTTP 500')
      assert.deepEqual(await store.dispatch.beginFetch(copy), { late: true, settled: ['json'] })
      const worse: Report = { ...KEPT, size: null, reason: 'gone', retry: true }
      assert.equal(await store.dispatch.amend(copy, [worse], NOW + 9), true)
      assert.deepEqual(
        (await store.tasks.reports(id)).find(({ format }) => format === 'json'),
        KEPT,
      )
      assert.equal(
        await store.dispatch.amend(copy, [{ ...MISSING, size: 5, reason: null, retry: false }], NOW + 9),
        true,
      )
      const task = await store.tasks.get(id)
      assert.deepEqual([task?.state, task?.error, task?.completedOn], ['finished', null, NOW])
      assert.deepEqual(
        (await store.dispatch.submissionsOf(id)).map(({ state }) => state),
        ['accepted'],
      )
      assert.equal(await store.dispatch.beginFetch(copy), undefined)
      assert.equal(await store.dispatch.isWanted(copy), false)
      assert.equal(await store.dispatch.amend(copy, [KEPT], NOW), false)
    })

    test('of a task that is being fetched from elsewhere, or was deleted, is none', async t => {
      const { store, first, second } = await withNodes(t)
      const { id, copy } = await accepted(store, first.id)
      await store.dispatch.abandoned(copy, REQUEUE)
      const current = must(await store.dispatch.begin(id, second.id, NOW)).id
      await store.dispatch.accepted(current, 9, NOW)
      await store.dispatch.beginFetch(current)
      await store.dispatch.fetching(current)
      assert.equal(await store.dispatch.beginFetch(copy), undefined)
      assert.equal(await store.dispatch.amend(copy, [KEPT], NOW), false)
      await store.tasks.remove(id)
      assert.equal(await store.dispatch.amend(copy, [KEPT], NOW), false)
      assert.equal(await store.dispatch.isWanted(copy), false)
    })
  })
}
