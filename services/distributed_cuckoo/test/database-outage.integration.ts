/** PostgreSQL goes away and comes back under a server that works. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startPostgres, TcpProxy, type TestPostgres, waitFor } from '@cuckoo-distributed/testing'
import pg from 'pg'
import { samplesIn } from './contract-scene.js'
import { curl, refused } from './curl.js'
import { isEmptied, makeNode } from './dispatch-scene.js'
import { type Front, makeFront } from './front.js'

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
    const left = async () => {
      const finished = new Set((await front.tasks('status=finished')).map(({ id }) => id))
      return [...ids].filter(id => !finished.has(id))
    }
    await waitFor(async () => (await left()).length === 0, { everyMs: 200, describe: 'each task to be finished' })
    for (const node of nodes) await isEmptied(node)
    assert(!front.process.log.some(({ msg }) => msg === 'crashed'))
  })
})

const PATHS = ['/task', '/task/1', '/status', '/node', '/tasks/list', '/cuckoo/status', '/report/1', '/machines/list']

describe('a server whose PostgreSQL is silent', { concurrency: 3 }, () => {
  let postgres: TestPostgres
  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres.stop())

  for (const [direction, stall] of [
    ['towards it', (proxy: TcpProxy) => proxy.stall('up')],
    ['from it', (proxy: TcpProxy) => proxy.stall('down')],
    ['on connections that are old', (proxy: TcpProxy) => proxy.halfOpen()],
  ] as const) {
    test(`${direction} answers 503, or serves, and never uses such a connection again`, async t => {
      const url = await postgres.createDatabase()
      const proxy = await TcpProxy.start({ port: Number(new URL(url).port) })
      t.after(() => proxy.close())
      const front = await makeFront(t, { Database: proxy.through(url), LogLevel: 'info' })
      await front.start()
      const node = await makeNode(t)
      await front.addNode('n1', node.url)
      const first = await front.submit('MZ first')
      await front.reaches(first, 'finished')
      await waitFor(async () => (await samplesIn(front.folder)).length === 0, { describe: 'its sample to go' })
      stall(proxy)
      const isOver = direction !== 'on connections that are old'
      const ask = (...args: string[]) =>
        curl('--max-time', '60', ...args.map(arg => arg.replace(/^\//, `${front.url}/`)))
      const answers = await Promise.all([
        ...PATHS.map(path => ask(path)),
        ...Array.from({ length: 20 }, () => ask('/task', '-F', 'file=@/bin/true')),
        ask('/task', '-F', 'url=http://h/'),
        ask('-XDELETE', '/task/1'),
      ])
      if (isOver) for (const answer of answers) refused(answer, 503)
      for (const { status } of answers) assert([200, 404, 503].includes(status), `${status}`)
      if (isOver) assert.equal((await samplesIn(front.folder)).length, 0, 'no refused upload leaves a file')
      proxy.cut()
      proxy.resume()
      await front.reaches(await submitSurely(front, 1), 'finished')
      await isEmptied(node)
      const lines = front.process.log.filter(({ msg }) => msg === 'the database does not answer')
      assert(lines.length <= 2, `${lines.length} lines`)
    })
  }
})

test('a server whose PostgreSQL is full answers 503, says so once and keeps no sample', async t => {
  const postgres = await startPostgres()
  t.after(() => postgres.stop())
  const url = await postgres.createDatabase()
  const front = await makeFront(t, { Database: url })
  await front.start()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(FULL)
  for (let i = 0; i < 5; i += 1) {
    refused(await curl(`${front.url}/task`, '-F', 'file=@/bin/true'), 503, /database has no room/)
  }
  assert.equal((await curl(`${front.url}/task`)).status, 200)
  assert.deepEqual(await samplesIn(front.folder), [])
  await client.query('drop trigger full_disk on task')
  await client.end()
  await front.submit('MZ')
  const lines = front.process.log.filter(({ level }) => ['error', 'warning'].includes(String(level)))
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['the database has no room'],
  )
})

/** The server's words when a file cannot be made longer. */
const FULL = `
create function full_disk() returns trigger language plpgsql as
  $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$;
create trigger full_disk before insert on task for each row execute function full_disk()`

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
