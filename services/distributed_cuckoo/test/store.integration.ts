import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { startPostgres, type TestPostgres } from '@cuckoo-distributed/testing'
import { CompiledQuery } from 'kysely'
import { StoreError } from '../src/store/errors.js'
import { openStore } from '../src/store/open.js'
import { openPostgres, USUAL } from '../src/store/postgres.js'
import { testMillion, testWrites } from './million-claims.js'
import { testRecount } from './recount-claims.js'
import { testStore } from './store-claims.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })

/** postgresql.org/docs/current/using-explain.html */
interface PlanNode {
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/** Rows of the table `task`, or of an index of it, that were looked at. */
function readOf(node: PlanNode): number {
  const own = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)
  const below = (node.Plans ?? []).reduce((sum, plan) => sum + readOf(plan), 0)
  return below + (node['Relation Name'] === 'task' ? own * node['Actual Loops'] : 0)
}

describe('in PostgreSQL', () => {
  let server: TestPostgres
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.stop())

  testStore(() => server.createDatabase())

  testWrites(
    () => server.createDatabase(),
    url => openPostgres(url, log, USUAL),
  )

  testRecount(
    () => server.createDatabase(),
    url => openPostgres(url, log, USUAL),
  )

  testMillion(() => server.createDatabase(), {
    openDatabase: url => openPostgres(url, log, USUAL),
    async check(db, query, most) {
      const explain = CompiledQuery.raw(`explain (analyze, format json) ${query.sql}`, [...query.parameters])
      const [row] = (await db.executeQuery<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(explain)).rows
      const plan = row?.['QUERY PLAN'][0]?.Plan
      assert(plan !== undefined)
      assert(readOf(plan) <= most, `${readOf(plan)} rows: ${query.sql}\n${JSON.stringify(plan, null, 1)}`)
    },
  })

  test('several processes that start at once agree on the tables and on the id', async () => {
    const url = await server.createDatabase()
    const stores = await Promise.all([1, 2, 3, 4].map(() => openStore({ url, keepSamples: false, log })))
    assert.equal(new Set(stores.map(store => store.id)).size, 1)
    for (const store of stores) await store[Symbol.asyncDispose]()
  })

  test('a server that does not answer is an error at start that shows no password', async () => {
    const url = 'postgres://user:secret@127.0.0.1:1/x'
    await assert.rejects(openStore({ url, keepSamples: false, log }), (error: unknown) => {
      assert(error instanceof StoreError)
      assert.match(error.message, /ECONNREFUSED/)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  })
})
