/** Cuckoo's own API, asked by the client that the pipeline uses. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { CuckooClient } from '@cuckoo-distributed/sandbox-client'
import { waitFor } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { member } from './curl.js'
import { isEmptied, makeNode, makeScene, WINDOWS } from './dispatch-scene.js'

const { signal } = new AbortController()

async function upload(client: CuckooClient, content: string, options: Record<string, string> = {}): Promise<number> {
  const bytes = Buffer.from(content)
  const open = async function* () {
    yield bytes
  }
  return (await client.createTask({ name: 'sample.exe', size: bytes.length, open, options }, signal)).id
}

/** What is under `key` in the answer. */
async function get(url: string, path: string, key: string): Promise<Readonly<Record<string, unknown>>> {
  return { ...Object(member(await (await fetch(url + path)).json(), key)) }
}

describe('a task by Cuckoo’s own API', () => {
  test('goes from pending to reported, and has its report and dropped files', async t => {
    const scene = await makeScene(t)
    const { client } = await serveScene(t, scene)
    const id = await upload(client, 'MZ through the front', { custom: 'c-1', options: 'free=yes', package: 'exe' })
    const before = await client.viewTask(id, signal)
    assert.deepEqual([before?.status, before?.custom, before?.completedOn], ['pending', 'c-1', undefined])
    assert.equal(await client.report(id, signal), undefined)
    const node = await makeNode(t)
    await scene.addNode('n1', node.url)
    scene.start()
    await waitFor(async () => (await client.viewTask(id, signal))?.status === 'reported', { describe: 'the report' })
    const task = await client.viewTask(id, signal)
    assert.match(task?.completedOn ?? '', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
    assert.equal(task?.md5, node.submissions[0]?.sample.md5)
    const report = await client.report(id, signal)
    assert.deepEqual(
      Buffer.from((await report?.text(2 ** 24)) ?? ''),
      await readFile(scene.files.reportPath(id, 'json')),
    )
    const dropped = await client.dropped(id, { compression: 'gz' }, signal)
    assert.equal(dropped?.contentLength, (await readFile(scene.files.reportPath(id, 'dropped'))).length)
    dropped?.discard()
    assert.equal(node.submissions[0]?.custom, 'c-1')
    assert.equal(node.submissions[0]?.platform, '')
  })

  test('without a custom text shows none, although its node has a mark of ours', async t => {
    const scene = await makeScene(t)
    const { client } = await serveScene(t, scene)
    const node = await makeNode(t)
    await scene.addNode('n1', node.url)
    scene.start()
    const id = await upload(client, 'MZ')
    await scene.reaches(id, 'finished')
    assert.equal((await client.viewTask(id, signal))?.custom, '')
    assert.equal(node.submissions[0]?.custom, `dist:${id}:1`)
  })

  test('whose dropped files its node could not give is not taken for gone', async t => {
    const scene = await makeScene(t)
    const { client } = await serveScene(t, scene)
    const node = await makeNode(t)
    node.faults.next({ kind: 'status', status: 500, times: 3, match: { path: '/tasks/report/1/dropped' } })
    await scene.addNode('n1', node.url)
    scene.start()
    const id = await upload(client, 'MZ')
    await scene.reaches(id, 'finished')
    await assert.rejects(client.dropped(id, {}, signal), { status: 500 })
    ;(await client.report(id, signal))?.discard()
  })

  test('that failed on its node is failed_analysis with the reason', async t => {
    const scene = await makeScene(t)
    const { client } = await serveScene(t, scene)
    const node = await makeNode(t, { analysisTime: Number.POSITIVE_INFINITY })
    await scene.addNode('n1', node.url)
    scene.start()
    const id = await upload(client, 'MZ')
    await waitFor(async () => (await client.viewTask(id, signal))?.status === 'running', { describe: 'the analysis' })
    assert.equal(await client.deleteTask(id, signal), 'busy')
    await waitFor(() => node.tasks.get(1)?.status === 'running', { describe: 'the node to run it' })
    node.move(1, 'failed_analysis', 'no machine')
    await scene.reaches(id, 'failed')
    const task = await client.viewTask(id, signal)
    assert.equal(task?.status, 'failed_analysis')
    assert.match(task?.errors.join() ?? '', /no machine/)
    assert.equal(await client.report(id, signal), undefined)
  })

  test('can be deleted with everything that belongs to it, once', async t => {
    const scene = await makeScene(t)
    const { client } = await serveScene(t, scene)
    const node = await makeNode(t)
    await scene.addNode('n1', node.url)
    scene.start()
    const id = await upload(client, 'MZ')
    await scene.reaches(id, 'finished')
    assert.equal(await client.deleteTask(id, signal), 'deleted')
    assert.equal(await client.deleteTask(id, signal), 'gone')
    assert.equal(await client.viewTask(id, signal), undefined)
    await assert.rejects(scene.reportNames(id), { code: 'ENOENT' })
    await isEmptied(node)
  })

  test('is not deleted by a HEAD request', async t => {
    const scene = await makeScene(t)
    const { client, url } = await serveScene(t, scene)
    const id = await upload(client, 'MZ')
    assert.equal((await fetch(`${url}/tasks/delete/${id}`, { method: 'HEAD' })).status, 405)
    assert.equal((await client.viewTask(id, signal))?.id, id)
  })

  test('may be a URL', async t => {
    const scene = await makeScene(t)
    const { client, url } = await serveScene(t, scene)
    const { id } = await client.createUrlTask({ url: 'http://example.com/a?b', options: { custom: 'u' } }, signal)
    const { category, target, custom, sample, status } = await get(url, `/tasks/view/${id}`, 'task')
    assert.deepEqual([category, target, custom, sample, status], ['url', 'http://example.com/a?b', 'u', {}, 'pending'])
  })

  test('needs a file, an existing number and a known format', async t => {
    const scene = await makeScene(t)
    const { url } = await serveScene(t, scene)
    const statusOf = async (path: string, method = 'GET') => (await fetch(url + path, { method })).status
    assert.equal(await statusOf('/tasks/create/file', 'POST'), 400)
    assert.equal(await statusOf('/tasks/create/url', 'POST'), 400)
    for (const path of ['/tasks/view/9', '/tasks/view/x', '/tasks/report/9', '/tasks/delete/9']) {
      assert.equal(await statusOf(path), 404, path)
    }
    for (const path of ['/tasks/report/9/nope', '/tasks/report/9/..%2F..%2Fdist.db', '/tasks/list?completed_after=x']) {
      assert.equal(await statusOf(path), 400, path)
    }
  })
})

describe('the list', () => {
  test('has all tasks, more than a page of them, and each once', async t => {
    const scene = await makeScene(t)
    const { client, url } = await serveScene(t, scene)
    const ids: number[] = []
    for (let i = 0; i < 1201; i += 1) ids.push(await scene.addTask('', { url: `http://example.com/${i}` }))
    assert.deepEqual(
      (await client.listTasks({}, signal)).map(({ id }) => id),
      ids,
    )
    const listed = async (path: string) => {
      const rows = await get(url, `/tasks/list${path}`, 'tasks')
      return Object.values(rows).map(row => member(row, 'id'))
    }
    assert.deepEqual(await listed('/600/3'), ids.slice(3, 603))
    assert.deepEqual(await listed('/0'), [])
    assert.deepEqual(await listed('?status=pending'), ids)
    for (const status of ['running', 'completed', 'reported', 'failed_analysis', 'recovered']) {
      assert.deepEqual(await listed(`?status=${status}`), [], status)
    }
  })

  test('is narrowed by state, owner and the time of completion', async t => {
    const scene = await makeScene(t)
    const { client, url } = await serveScene(t, scene)
    const node = await makeNode(t)
    await scene.addNode('n1', node.url)
    scene.start()
    const id = await upload(client, 'MZ', { owner: 'alice' })
    await scene.reaches(id, 'finished')
    const now = Date.now() / 1000
    assert.equal((await client.listTasks({ phase: 'reported', completedAfter: now - 60 }, signal))[0]?.id, id)
    assert.deepEqual(await client.listTasks({ phase: 'reported', completedAfter: now + 60 }, signal), [])
    assert.equal(member(await get(url, '/tasks/list?owner=alice', 'tasks'), '0', 'id'), id)
    assert.deepEqual(await get(url, '/tasks/list?owner=bob', 'tasks'), {})
  })
})

describe('the status', () => {
  test('counts our tasks and those that wait on nodes, and shows the space that is left for both', async t => {
    const scene = await makeScene(t)
    const { client, url } = await serveScene(t, scene)
    assert.equal((await client.status(signal)).tasksKnown, false)
    const node = await makeNode(t, {
      version: '2.0',
      machines: 1,
      analysisTime: Number.POSITIVE_INFINITY,
      diskspace: { free: 4096, total: 8192, used: 4096 },
    })
    await scene.addNode('n1', node.url)
    scene.start()
    for (const i of [1, 2, 3]) await upload(client, `MZ ${i}`)
    const stranded = await upload(client, 'MZ', { tags: 'nobody' })
    // One runs and two wait on the node; the fourth waits here.
    const status = await waitFor(
      async () => {
        const status = await client.status(signal)
        return status.running === 3 && status.pending === 3 && status
      },
      { describe: 'the counters' },
    )
    assert.equal(status.freeBytes, 4096)
    assert.equal(status.total, 4)
    const pending = (await client.listTasks({ phase: 'pending' }, signal)).map(({ id }) => id)
    assert(pending.includes(stranded))
    assert.deepEqual(await get(url, '/cuckoo/status', 'machines'), { total: 1, available: 0 })
    assert.deepEqual(await client.listMachines(signal), [WINDOWS])
  })

  test('is demanded with the token, which may be the password of the URL', async t => {
    const scene = await makeScene(t, { ApiToken: 's3cret' })
    const { client, url } = await serveScene(t, scene)
    await assert.rejects(client.status(signal), { status: 401 })
    await using basic = new CuckooClient({
      baseUrl: new URL(url.replace('://', '://any:s3cret@')),
      verifySsl: true,
      maxConnections: 1,
    })
    await using bearer = new CuckooClient({
      baseUrl: new URL(url),
      verifySsl: true,
      maxConnections: 1,
      apiToken: 's3cret',
    })
    for (const allowed of [basic, bearer]) assert.equal((await allowed.status(signal)).total, 0)
  })
})
