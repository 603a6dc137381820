/** PostgreSQL goes away and comes back under a server that works. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { TcpProxy, waitFor } from '@cuckoo-distributed/testing'
import { curl, refused } from './curl.js'
import { isEmptied, makeNode } from './dispatch-scene.js'
import { type Front, makeFront } from './front.js'
import { startPostgres, type TestPostgres } from './postgres.js'

const TASKS = 60

describe('a server whose PostgreSQL goes away', () => {
  let postgres: TestPostgres
  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres.stop())

  test('answers 503 until it is back, and goes on by itself with nothing lost', async t => {
    const url = await postgres.createDatabase()
    const proxy = await TcpProxy.start({ port: Number(new URL(url).port) })
    t.after(() => proxy.close())
    const front = await makeFront(t, { Database: proxy.through(url) })
    const nodes = [await makeNode(t), await makeNode(t)]
    await front.start()
    for (const [i, node] of nodes.entries()) await front.addNode(`n${i}`, node.url)
    const ids = new Set<number>()
    for (let i = 0; i < TASKS; i += 1) {
      if (i % 10 === 5) proxy.cut()
      if (i === TASKS / 2) await outage(front, proxy)
      ids.add(await submitSurely(front, i))
    }
    await waitFor(async () => (await front.tasks('status=finished')).length >= ids.size, {
      deadlineMs: 60_000,
      everyMs: 200,
      describe: () => `${ids.size} tasks to be finished`,
    })
    const finished = new Set((await front.tasks('status=finished')).map(({ id }) => id))
    for (const id of ids) assert(finished.has(id), `task ${id}`)
    for (const node of nodes) await isEmptied(node)
    assert(!front.process.log.some(({ msg }) => msg === 'crashed'))
  })
})

async function outage({ url }: Front, proxy: TcpProxy): Promise<void> {
  proxy.close()
  for (const path of ['/task', '/task/1', '/status', '/node', '/tasks/list', '/cuckoo/status', '/report/1']) {
    refused(await curl(url + path), 503, /database does not answer/)
  }
  refused(await curl(`${url}/task`, '-F', 'url=http://h/'), 503)
  refused(await curl(`${url}/task`, '-F', 'file=@/bin/true'), 503)
  refused(await curl('-XDELETE', `${url}/task/1`), 503)
  assert.equal((await curl(`${url}/`)).status, 200)
  await proxy.accept()
}

/** As a client that tries again: a task whose answer was lost is there twice then. */
function submitSurely(front: Front, i: number): Promise<number> {
  return waitFor(() => front.submit(`MZ sample ${i}`).catch(() => undefined), {
    describe: `sample ${i} to be accepted`,
  })
}
