/** What the store promises of numbers of tasks. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type MakeUrl, must, NOW, openerOf, TASK } from './store-scene.js'

const MINUTE = 60_000
/** `NOW` is the end of a minute. */
const FROM = NOW / MINUTE
const STEPS = { from: FROM, minutes: 5, count: 3 }

export function testStatistics(makeUrl: MakeUrl): void {
  const { withNodes } = openerOf(makeUrl)

  describe('statistics', () => {
    test('count a task in the step in which it ended, the end of the step included and its beginning not', async t => {
      const { store, first } = await withNodes(t)
      const ends = [0, 1, 5 * MINUTE, 5 * MINUTE + 1, 15 * MINUTE, 15 * MINUTE + 1]
      for (const [index, ms] of ends.entries()) {
        const id = await store.tasks.create({ ...TASK, priority: 1 + (index % 3) }, NOW)
        const submission = must(await store.dispatch.begin(id, first.id, NOW))
        await store.dispatch.accepted(submission.id, id, NOW)
        await store.dispatch.beginFetch(submission.id)
        const reports = [{ format: 'json', size: 1, reason: null, retry: false }]
        await store.dispatch.finish(submission.id, reports, NOW + ms)
        await store.dispatch.discarded([submission.id])
      }
      const areRight = async () => {
        assert.deepEqual(await store.statistics.endedPerStep(STEPS), [2, 1, 1])
        assert.deepEqual(await store.statistics.ended(), { tasks: 6, prio1: 2, prio2: 2 })
        assert.deepEqual(await store.statistics.endedAfter(FROM + 5), { tasks: 3, prio1: 1, prio2: 1 })
      }
      await areRight()
      await store.dispatch.foldCounts()
      await areRight()
      assert.equal(await store.tasks.removeSettled(5, { isDry: false }), true)
      await store.dispatch.fail(await store.tasks.create({ ...TASK, priority: 2 }, NOW), 'x', NOW + 15 * MINUTE)
      await areRight()
    })

    test('count what waits or runs by state, by priority, and by the minute in which it was added', async t => {
      const { store, first } = await withNodes(t)
      const added = [
        [0, 1],
        [1, 1],
        [MINUTE, 2],
        [MINUTE + 1, 3],
      ] as const
      for (const [ms, priority] of added) await store.tasks.create({ ...TASK, priority }, NOW + ms)
      assert.deepEqual(
        (await store.statistics.added()).sort((a, b) => a.minute - b.minute || a.priority - b.priority),
        [
          { minute: FROM, priority: 1, tasks: 1 },
          { minute: FROM + 1, priority: 1, tasks: 1 },
          { minute: FROM + 1, priority: 2, tasks: 1 },
          { minute: FROM + 2, priority: 3, tasks: 1 },
        ],
      )
      await store.dispatch.begin(3, first.id, NOW)
      assert.deepEqual(
        (await store.statistics.unfinished()).sort((a, b) => a.tasks - b.tasks),
        [
          { state: 'submitting', tasks: 1, prio1: 0, prio2: 1 },
          { state: 'pending', tasks: 3, prio1: 2, prio2: 0 },
        ],
      )
    })
  })
}
