/** What the store promises of counting the tasks that are over anew, on whichever database. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { SqlDispatchStore } from '../src/store/dispatch-store.js'
import { recount } from '../src/store/recount.js'
import { Statistics } from '../src/store/statistics.js'
import type { Tables } from '../src/store/tables.js'
import { SqlTaskStore } from '../src/store/task-store.js'
import { type MakeUrl, NOW, openerOf, TASK } from './store-scene.js'

const MINUTE = 60_000
const ENDED = 6000
/** Ends in a minute. */
const EACH = 60
const LATER = 2 * (NOW / MINUTE)

export function testRecount(makeUrl: MakeUrl, openDatabase: (url: string) => Kysely<Tables> | Promise<Kysely<Tables>>) {
  const { open } = openerOf(makeUrl)

  const filled = async (t: TestContext) => {
    const url = await makeUrl()
    await (await open(t, { url }))[Symbol.asyncDispose]()
    const db = await openDatabase(url)
    t.after(() => db.destroy())
    await sql`insert into task (url, requirement, priority, attempt, requeues, not_before, added_on, state, finished, completed_on)
      with recursive s (n) as (select 1 union all select n + 1 from s where n < ${sql.lit(ENDED)})
      select 'http://a/', '', n % 3, 0, 0, 0, n, case when n % 10 = 0 then 'failed' else 'finished' end, 1,
        ${sql.lit(NOW)} + n * ${sql.lit(MINUTE / EACH)} from s`.execute(db)
    const store = {
      tasks: new SqlTaskStore(db),
      dispatch: new SqlDispatchStore(db, false),
      numbers: new Statistics(db),
    }
    /** That all numbers are what the tasks are. */
    const areRight = async () => {
      const { rows } = await sql<{ minute: number; finished: number; failed: number; prio1: number; prio2: number }>`
        select (completed_on + 59999) / 60000 as minute, cast(sum(case when state = 'failed' then 0 else 1 end) as integer) as finished,
          cast(sum(case when state = 'failed' then 1 else 0 end) as integer) as failed,
          cast(sum(case when priority = 1 then 1 else 0 end) as integer) as prio1,
          cast(sum(case when priority = 2 then 1 else 0 end) as integer) as prio2
        from task where finished = 1 group by 1 order by 1`.execute(db)
      const sum = (key: 'finished' | 'failed' | 'prio1' | 'prio2') => rows.reduce((all, row) => all + row[key], 0)
      const counts = await store.tasks.counts()
      assert.deepEqual([counts.finished, counts.failed], [sum('finished'), sum('failed')])
      const all = { tasks: sum('finished') + sum('failed'), prio1: sum('prio1'), prio2: sum('prio2') }
      assert.deepEqual(await store.numbers.ended(), all)
      assert.deepEqual(await store.numbers.endedAfter(NOW / MINUTE), all)
      const steps = { from: NOW / MINUTE, minutes: 1, count: ENDED / EACH + 10 }
      const ofMinute = new Map(rows.map(row => [Number(row.minute), row.finished + row.failed]))
      assert.deepEqual(
        await store.numbers.endedPerStep(steps),
        Array.from({ length: steps.count }, (_, step) => ofMinute.get(steps.from + step + 1) ?? 0),
      )
    }
    return { db, ...store, areRight }
  }

  describe('counting the tasks that are over anew', () => {
    test('mends what is missing, too much, or of another minute, once', async t => {
      const { db, dispatch, areRight } = await filled(t)
      assert.deepEqual(await dispatch.recount(t.signal), { finished: ENDED * 0.9, failed: ENDED * 0.1 })
      await areRight()
      assert.deepEqual(await dispatch.recount(t.signal), {})
      await dispatch.foldCounts()
      await areRight()
      await db.updateTable('task_total').set({ tasks: 7 }).where('state', '=', 'failed').execute()
      const { minute } = await db
        .selectFrom('task_minute')
        .select('minute')
        .orderBy('minute')
        .offset(3)
        .limit(1)
        .executeTakeFirstOrThrow()
      await db.updateTable('task_minute').set({ tasks: 9, prio2: 9 }).where('minute', '=', minute).execute()
      const none = { tasks: 1, prio1: 1, prio2: 0 }
      await db
        .insertInto('task_minute')
        .values([
          { minute: 5, ...none },
          { minute: LATER, ...none },
        ])
        .execute()
      await db.updateTable('task_minute').set({ prio1: 0 }).where('minute', '=', 0).execute()
      assert.deepEqual(await dispatch.recount(t.signal), { failed: ENDED * 0.1 - 7 })
      await areRight()
      assert.equal(
        Number(
          (await sql<{ n: number }>`select count(*) as n from task_minute where minute in (5, ${LATER})`.execute(db))
            .rows[0]?.n,
        ),
        0,
      )
    })

    test('lets others have their turn between some and the next, and is right whatever they do', async t => {
      const { db, dispatch, tasks, areRight } = await filled(t)
      await dispatch.recount(t.signal)
      await dispatch.foldCounts()
      await db
        .updateTable('task_total')
        .set(({ eb }) => ({ tasks: eb('tasks', '+', 3) }))
        .where('state', '=', 'finished')
        .execute()
      let [turns, times, last] = [0, 0, -1]
      const others = new AbortController()
      const watching = (async () => {
        for (; !others.signal.aborted; turns += 1) await setImmediate()
      })()
      const missing = await recount(async work => {
        assert(turns > last)
        times += 1
        // Of what was counted, of what is next, and of what comes last.
        for (const id of [times, times * 400, ENDED - times]) await tasks.removeSettled(id, { isDry: false })
        for (const id of [times * 10, ENDED - times * 10]) assert.equal(await tasks.reschedule(id), 'pending')
        for (const ms of [times, ENDED * 1000])
          await dispatch.fail(await tasks.create({ ...TASK, sample: null, url: 'x' }, NOW), 'x', NOW + ms)
        const done = await db.transaction().execute(work)
        last = turns
        return done
      }, t.signal)
      others.abort()
      await watching
      assert.deepEqual(missing, { finished: -3 })
      assert(times > 4 && turns > times, `${times} times, ${turns} turns`)
      await areRight()
      await dispatch.foldCounts()
      await areRight()
      assert.deepEqual(await dispatch.recount(t.signal), {})
    })

    test('ends with its process', async t => {
      const { dispatch } = await filled(t)
      const stopping = new AbortController()
      const ended = dispatch.recount(stopping.signal)
      stopping.abort(new Error('stopping'))
      await assert.rejects(ended, /stopping/)
    })
  })
}
