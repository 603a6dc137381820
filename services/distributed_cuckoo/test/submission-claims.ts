/** What the store promises about submissions, on whichever database. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Report } from '../src/store/model.js'
import { accepted, type MakeUrl, must, NOW, openerOf, REQUEUE, stateOf, TASK } from './store-scene.js'

const JSON_REPORT: Report = { format: 'json', size: 3, reason: null, retry: false }

export function testSubmissions(makeUrl: MakeUrl): void {
  const { withNodes } = openerOf(makeUrl)

  describe('a submission', () => {
    test('goes from intent to result, after which the node’s copy is to be deleted', async t => {
      const { store, first } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const begun = must(await store.dispatch.begin(id, first.id, NOW))
      assert.deepEqual([begun.state, begun.custom, begun.attempt], ['sending', `dist:${id}:1`, 1])
      assert.equal((await store.tasks.get(id))?.state, 'submitting')
      assert.equal((await store.dispatch.accepted(begun.id, 7, NOW))?.state, 'accepted')
      assert.deepEqual(stateOf(await store.tasks.get(id)), ['processing', 'n1', 7])
      assert.equal(await store.dispatch.isClaimed(first.id, 7), true)
      assert(await store.dispatch.beginFetch(begun.id))
      assert.equal(await store.dispatch.finish(begun.id, [JSON_REPORT], NOW + 5), true)
      const task = await store.tasks.get(id)
      assert.deepEqual([task?.state, task?.completedOn, task?.samplePath], ['finished', NOW + 5, null])
      assert.deepEqual(await store.tasks.reports(id), [JSON_REPORT])
      assert.deepEqual(
        (await store.dispatch.submissions(first.id)).map(copy => copy.state),
        ['accepted'],
        'whoever has fetched it deletes it',
      )
      await store.dispatch.discarded([begun.id])
      assert.deepEqual(await store.dispatch.submissionsOf(id), [])
      assert.deepEqual(await store.files.obsolete(9), [{ kind: 'sample', path: 'ab/sample.bin' }])
    })

    test('carries the client’s own mark if there is one', async t => {
      const { store, first } = await withNodes(t)
      const id = await store.tasks.create({ ...TASK, custom: 'mine' }, NOW)
      assert.equal((await store.dispatch.begin(id, first.id, NOW))?.custom, 'mine')
    })

    test('is begun by one only, however many try at once', async t => {
      const { store, first, second } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const tries = Array.from({ length: 8 }, (_, i) => {
        return store.dispatch.begin(id, i % 2 === 0 ? first.id : second.id, NOW)
      })
      assert.equal((await Promise.all(tries)).filter(Boolean).length, 1)
      assert.equal((await store.dispatch.submissionsOf(id)).length, 1)
    })

    test('that the node goes on with under another id is found by that one only', async t => {
      const { store, first } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const begun = must(await store.dispatch.begin(id, first.id, NOW))
      await store.dispatch.accepted(begun.id, 7, NOW)
      await store.dispatch.followed(begun.id, 9)
      const task = await store.tasks.get(id)
      assert.deepEqual([stateOf(task), task?.nodeState], [['processing', 'n1', 9], 'pending'])
      assert.deepEqual(
        [await store.dispatch.isClaimed(first.id, 7), await store.dispatch.isClaimed(first.id, 9)],
        [false, true],
      )
    })

    test('that vanished puts its task back, and fails it after too many counted times', async t => {
      const { store, first } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      for (const counted of [true, false, true, true]) {
        const begun = must(await store.dispatch.begin(id, first.id, NOW))
        await store.dispatch.vanished(begun.id, { ...REQUEUE, counted })
      }
      const task = await store.tasks.get(id)
      assert.deepEqual([task?.state, task?.error, task?.attempt, task?.requeues], ['failed', 'the node is gone', 4, 2])
    })

    test('that was abandoned is stale, and its result is still taken if it is the first', async t => {
      const { store, first, second } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const stale = must(await store.dispatch.begin(id, first.id, NOW))
      await store.dispatch.accepted(stale.id, 7, NOW)
      await store.dispatch.abandoned(stale.id, REQUEUE)
      const current = must(await store.dispatch.begin(id, second.id, NOW))
      await store.dispatch.accepted(current.id, 9, NOW)
      assert.deepEqual(stateOf(await store.tasks.get(id)), ['processing', 'n2', 9])
      assert.deepEqual(await store.dispatch.beginFetch(stale.id), { late: true, settled: [] })
      assert.deepEqual(stateOf(await store.tasks.get(id)), ['processing', 'n2', 9], 'it has nothing to show yet')
      assert.equal(
        await store.dispatch.finish(stale.id, [JSON_REPORT], NOW),
        false,
        'only the current copy is fetched so',
      )
      assert.equal(await store.dispatch.amend(stale.id, [JSON_REPORT], NOW), true)
      assert.deepEqual(stateOf(await store.tasks.get(id)), ['finished', 'n1', 7])
      const states = (await store.dispatch.submissionsOf(id)).map(copy => copy.state)
      assert.deepEqual(states, ['accepted', 'discarding'])
    })

    test('whose fetch failed or whose scheduler died is fetched again', async t => {
      const { store, first } = await withNodes(t)
      const { id, copy } = await accepted(store, first.id)
      await store.dispatch.beginFetch(copy)
      await store.dispatch.fetchFailed(copy, 'cut short')
      assert.deepEqual(
        [(await store.tasks.get(id))?.state, (await store.tasks.get(id))?.error],
        ['processing', 'cut short'],
      )
      assert(await store.dispatch.beginFetch(copy))
      await store.dispatch.recover()
      assert(await store.dispatch.beginFetch(copy))
      assert.equal(await store.dispatch.finish(copy, [], NOW), true)
    })

    test('whose fetch ended without being noted, as the database was away, is fetched again', async t => {
      const { store, first } = await withNodes(t)
      const { copy } = await accepted(store, first.id)
      await store.dispatch.beginFetch(copy)
      await store.dispatch.fetching(copy)
      assert.deepEqual(await store.dispatch.beginFetch(copy), { late: false, settled: [] })
      assert.equal(await store.dispatch.finish(copy, [JSON_REPORT], NOW), true)
    })

    test('of a task that was deleted meanwhile is removed from its node, and only then the task is gone', async t => {
      const { store, first } = await withNodes(t)
      const id = await store.tasks.create(TASK, NOW)
      const { id: copy } = must(await store.dispatch.begin(id, first.id, NOW))
      await store.tasks.remove(id)
      assert.equal(await store.tasks.get(id), undefined)
      assert.equal((await store.dispatch.accepted(copy, 7, NOW))?.state, 'discarding')
      assert.equal(await store.dispatch.beginFetch(copy), undefined)
      assert.equal((await store.tasks.list({ states: ['deleted'] })).length, 1)
      await store.dispatch.discarded([copy])
      assert.equal((await store.tasks.list({ states: ['deleted'] })).length, 0)
    })

    test('of a task that was deleted during the fetch is no result', async t => {
      const { store, first } = await withNodes(t)
      const { id, copy } = await accepted(store, first.id)
      await store.dispatch.beginFetch(copy)
      await store.tasks.remove(id)
      assert.equal(await store.dispatch.finish(copy, [JSON_REPORT], NOW), false)
      await store.dispatch.fetchFailed(copy, 'x')
      assert.equal(await store.tasks.get(id), undefined)
    })
  })

  test('a sample is kept if that is wanted, until its task is deleted', async t => {
    const { store, first } = await withNodes(t, { keepSamples: true })
    const { id, copy } = await accepted(store, first.id)
    await store.dispatch.beginFetch(copy)
    await store.dispatch.finish(copy, [], NOW)
    assert.deepEqual(await store.files.obsolete(9), [])
    assert.deepEqual(await store.tasks.samplesInUse(['ab/sample.bin', 'ab/other.bin']), new Set(['ab/sample.bin']))
    await store.tasks.remove(id)
    assert.equal((await store.files.obsolete(9)).length, 2)
  })
}
