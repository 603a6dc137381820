/** Several servers share one PostgreSQL and the directories: all serve, one schedules. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startPostgres, type TestPostgres, waitFor } from '@cuckoo-distributed/testing'
import { isEmptied, makeNode, makeScene } from './dispatch-scene.js'
import { startFakeNode } from './fake-node.js'
import { type Front, makeFront } from './front.js'

const SCHEDULES = 'this process is now the scheduler'

function schedules({ process }: Front): boolean {
  return process.log.some(({ msg }) => msg === SCHEDULES)
}

describe('servers with PostgreSQL', () => {
  let postgres: TestPostgres
  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres.stop())

  test('share their tasks when there are two; one of them schedules, and when it is killed the other does', async t => {
    const Database = await postgres.createDatabase()
    const first = await makeFront(t, { Database, LogLevel: 'info' })
    const second = await makeFront(t, { ...first.directories, Database, LogLevel: 'info' })
    await first.start()
    await first.process.waitForLog(SCHEDULES)
    await second.start()
    const nodes = [await makeNode(t, { analysisTime: 200 }), await makeNode(t, { version: '2.0', analysisTime: 200 })]
    for (const [i, node] of nodes.entries()) await second.addNode(`n${i}`, node.url)
    const ids: number[] = []
    for (let i = 0; i < 40; i += 1) ids.push(await (i % 2 ? first : second).submit(`MZ shared ${i}`))
    await waitFor(async () => (await second.tasks('status=finished')).length >= 4, { describe: 'the first results' })
    assert.equal(schedules(second), false)
    await first.kill()
    await second.process.waitForLog(SCHEDULES)
    await waitFor(async () => (await second.tasks('status=finished')).length === ids.length, {
      everyMs: 200,
      describe: 'all tasks to be finished',
    })
    for (const node of nodes) await isEmptied(node)
    const analyses = nodes.reduce((sum, { submissions }) => sum + submissions.length, 0)
    assert(analyses <= ids.length + nodes.length, `${analyses} analyses`)
    for (const id of ids) assert.equal((await fetch(`${second.url}/report/${id}`)).status, 200)
  })

  test('wait no hour for a task that a leader whose clock was an hour ahead has put off before it died', async t => {
    const Database = await postgres.createDatabase()
    const node = await startFakeNode()
    t.after(() => node.close())
    node.newStatus = 'reported'
    node.answers.set('/tasks/create/file', [400, '{"message": "not now"}'])
    const real = Date.now
    t.after(() => {
      Date.now = real
    })
    Date.now = () => real() + 3_600_000
    const ahead = await makeScene(t, { Database, Interval: 2 })
    await ahead.addNode('n1', node.url)
    const id = await ahead.addTask('MZ')
    ahead.start()
    const isPutOff = async () => {
      const task = await ahead.store.tasks.get(id)
      return task?.state === 'pending' && task.requeues > 0
    }
    await waitFor(isPutOff, { describe: 'the task to be put off' })
    await ahead.stop()
    Date.now = real
    node.answers.clear()
    const { SamplesDirectory, ReportsDirectory } = ahead.config
    const next = await makeScene(t, { Database, SamplesDirectory, ReportsDirectory })
    next.start()
    await next.reaches(id, 'finished')
  })

  test('are refused directories that belong to another database', async t => {
    const Database = await postgres.createDatabase()
    const first = await makeFront(t, { Database })
    await first.start()
    await first.process.stop()
    const other = await postgres.createDatabase()
    const second = await makeFront(t, { ...first.directories, Database: other })
    await assert.rejects(second.start(), /belongs to another database/)
    assert.equal((await second.process.exit).code, 2)
  })
})
