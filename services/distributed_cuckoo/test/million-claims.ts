/** What questions read of a long table: told by the databases' own plans, on whichever database. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { CompiledQuery, type Kysely, type KyselyPlugin, sql } from 'kysely'
import { SqlDispatchStore } from '../src/store/dispatch-store.js'
import type { TaskFilter } from '../src/store/model.js'
import { SqlNodeStore } from '../src/store/node-store.js'
import { Statistics } from '../src/store/statistics.js'
import type { Tables } from '../src/store/tables.js'
import { SqlTaskStore } from '../src/store/task-store.js'
import { COUNTERS, type MakeUrl, must, NOW, openerOf, TASK } from './store-scene.js'

const FINISHED = 20_000
const PENDING = 2_000
/** Milliseconds between two ends. */
const APART = 1000
const PAGE = 25

interface Asked {
  readonly db: Kysely<Tables>
  /** What `work` asks the database for. */
  during(work: (db: Kysely<Tables>) => Promise<unknown>): Promise<CompiledQuery[]>
}

export interface Explained {
  /** Tells for each query what it reads of the table `task`, as text, and fails if that is more than `most` rows. */
  check(db: Kysely<Tables>, query: CompiledQuery, most: number): Promise<void>
  openDatabase(url: string): Kysely<Tables>
}

export function testMillion(makeUrl: MakeUrl, { openDatabase, check }: Explained): void {
  const { open } = openerOf(makeUrl)

  const filled = async (t: TestContext): Promise<Asked> => {
    const url = await makeUrl()
    await (await open(t, { url }))[Symbol.asyncDispose]()
    const db = openDatabase(url)
    t.after(() => db.destroy())
    await fill(db)
    return {
      db,
      async during(work) {
        const queries: CompiledQuery[] = []
        const spy: KyselyPlugin = {
          transformQuery({ node, queryId }) {
            queries.push(db.getExecutor().compileQuery(node, queryId))
            return node
          },
          transformResult: async ({ result }) => result,
        }
        await work(db.withPlugin(spy))
        return queries
      },
    }
  }

  describe('with many tasks that are over, and many that wait', () => {
    const after = { id: FINISHED / 2, completedOn: NOW + (FINISHED / 2) * APART }
    const lists: Record<string, TaskFilter> = {
      'of those that wait': { states: ['pending'] },
      'of those that are finished, from the middle': { states: ['finished'], after },
      'of those that failed': { states: ['failed'] },
      'of those that run, which are none': { states: ['submitting', 'processing'] },
      'of those that are over': { finished: true },
      'of those that are not': { finished: false },
      'of those that were finished lately': { states: ['finished'], completedAfter: NOW + (FINISHED - 100) * APART },
      'of those that were finished ever, from the middle': { states: ['finished'], completedAfter: 0, after },
      'of those that ended ever': { completedAfter: 0 },
      'of an owner of few': { owner: 'rare' },
      'of an owner of many': { owner: 'often' },
      'of an owner of none': { owner: 'nobody' },
      'of those that wait of an owner of many': { owner: 'often', states: ['pending'] },
      'of all, from the middle': { after },
      'of a sample': { sha256: 'x' },
    }
    test('a page of a list reads no more than its tasks', async t => {
      const { db, during } = await filled(t)
      for (const [name, filter] of Object.entries(lists)) {
        await t.test(name, async () => {
          const queries = await during(spied => new SqlTaskStore(spied).list({ ...filter, limit: PAGE }))
          assert.equal(queries.length, 1)
          // Of each state, and then the rows of the page.
          for (const query of queries) await check(db, query, 8 * PAGE)
        })
      }
      await t.test('and counting reads those that are not over', async () => {
        for (const query of await during(spied => new SqlTaskStore(spied).counts())) await check(db, query, PENDING)
      })
      await t.test('as do the numbers of the API of Cuckoo 2.0', async () => {
        const queries = await during(async spied => {
          const statistics = new Statistics(spied)
          await statistics.unfinished()
          await statistics.ended()
          await statistics.endedAfter(NOW / 60_000)
          await statistics.endedPerStep({ from: NOW / 60_000, minutes: 5, count: 3 })
          await statistics.added()
        })
        assert.equal(queries.length, 5)
        for (const query of queries) await check(db, query, PENDING)
      })
      await t.test('and counting those that are over reads some of them at a time', async () => {
        const queries = await during(spied => new SqlDispatchStore(spied, false).recount(t.signal))
        assert(queries.length > 40, `${queries.length} queries`)
        for (const query of queries) if (/^(with|select)\b/.test(query.sql)) await check(db, query, 2500)
      })
      await t.test('and a plan reads the head of the queue', async () => {
        const queries = await during(async spied => {
          const store = new SqlDispatchStore(spied, false)
          await store.release(NOW)
          const requirements = await store.pendingRequirements('', 64)
          assert.equal(requirements.length, 5)
          assert.equal((await store.nextPending(requirements, 4)).length, 20)
          await new SqlTaskStore(spied).oldestPending()
        })
        assert(queries.length >= 4)
        for (const query of queries) await check(db, query, 64)
      })
    })
  })
}

/** What is written for one task; the rows of its reports and of its submission come and go besides. */
export function testWrites(
  makeUrl: MakeUrl,
  openDatabase: (url: string) => Kysely<Tables> | Promise<Kysely<Tables>>,
): void {
  const { open } = openerOf(makeUrl)

  test('a task that is seen to run takes four transactions and four changes of rows, and shares one of each', async t => {
    const url = await makeUrl()
    const before = await open(t, { url })
    const { id: node } = await before.nodes.register('n', 'http://a/', [])
    await before[Symbol.asyncDispose]()
    const db = await openDatabase(url)
    t.after(() => db.destroy())
    const written = { updates: 0, transactions: 0 }
    const updates = new WeakSet<object>()
    const spied = db.withPlugin({
      transformQuery({ node, queryId }) {
        if (node.kind === 'UpdateQueryNode') updates.add(queryId)
        return node
      },
      async transformResult({ result, queryId }) {
        if (updates.has(queryId)) written.updates += Number(result.numAffectedRows)
        return result
      },
    })
    const counted = new Proxy(spied, {
      get(target, name) {
        if (name === 'transaction') written.transactions += 1
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const [tasks, dispatch, nodes] = [
      new SqlTaskStore(counted),
      new SqlDispatchStore(counted, false),
      new SqlNodeStore(counted),
    ]
    const copies = new Map<number, number>()
    for (let nodeTask = 1; nodeTask <= 3; nodeTask += 1) {
      const id = await tasks.create(TASK, NOW)
      const copy = must(await dispatch.begin(id, node, NOW)).id
      await dispatch.accepted(copy, nodeTask, NOW)
      copies.set(copy, id)
    }
    assert.deepEqual(written, { updates: 9, transactions: 9 })
    const runningSince = Object.fromEntries([...copies.keys()].map(copy => [copy, NOW]))
    const seen = { counters: COUNTERS, freeBytes: null, quarantine: null, kind: null, at: NOW, runningSince }
    await nodes.recordStatus(node, seen)
    assert.deepEqual(written, { updates: 10, transactions: 9 }, 'the status of the node, which is written down anyway')
    for (const [copy, id] of copies) {
      assert.equal((await tasks.get(id))?.nodeState, 'running')
      assert(await dispatch.beginFetch(copy))
      assert(await dispatch.finish(copy, [{ format: 'json', size: 1, reason: null, retry: false }], NOW + 1, NOW))
    }
    assert.deepEqual(written, { updates: 13, transactions: 12 })
    await dispatch.discarded([...copies.keys()])
    assert.deepEqual(written, { updates: 13, transactions: 13 })
    for (const id of copies.values()) {
      const task = await tasks.get(id)
      assert.deepEqual([task?.state, task?.runningOn], ['finished', NOW])
    }
  })
}

async function fill(db: Kysely<Tables>): Promise<void> {
  const numbers = (from: number, to: number) =>
    sql`with recursive s (n) as (select ${sql.lit(from)} union all select n + 1 from s where n < ${sql.lit(to)})`
  const shared = sql`'["windows",null,"' || (n % 5) || '"]' , n % 3, 0, 0, 0,
    case when n % 1000 = 7 then 'rare' when n % 2 = 0 then 'often' end, 'sample-' || n`
  const columns = sql`(requirement, priority, attempt, requeues, not_before, owner, sha256, added_on, state, finished, completed_on)`
  const total = FINISHED + PENDING
  await sql`insert into task ${columns} ${numbers(1, FINISHED)} select ${shared}, n,
    case when n % 100 = 0 then 'failed' else 'finished' end, 1, ${sql.lit(NOW)} + n * ${sql.lit(APART)} from s`.execute(
    db,
  )
  await sql`insert into task ${columns} ${numbers(FINISHED + 1, total)} select ${shared}, n, 'pending', 0, null from s`.execute(
    db,
  )
  await db.executeQuery(CompiledQuery.raw('analyze'))
}
