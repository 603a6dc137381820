/** What becomes of tasks: reports, failures, deletion, the status. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { fakeNode, folderOf, type Serve, samplesIn } from './contract-scene.js'
import { curl, member, refused } from './curl.js'

export function testResults(serve: Serve): void {
  test('reports are fetched before the node’s copy is deleted, and served as they are', async t => {
    const node = await fakeNode(t)
    node.reports.set('maec', '<maec/>').set('html', '<script>alert(1)</script>')
    node.newStatus = 'completed'
    const front = await serve(t, { ReportFormats: ['json', 'maec', 'html', 'mmdef'] })
    const { url: server } = front
    const report = (path: string, ...args: string[]) => curl('--path-as-is', `${server}/report/${path}`, ...args)
    const id = await front.submit('MZ')
    refused(await report(`${id}`), 404, /^Task not finished yet$/)
    refused(await report(`${id + 1}`), 404, /^Task not found$/)
    await front.addNode('n', node.url)
    await waitFor(() => node.calls.some(call => call.path === '/tasks/view/1'), { describe: 'the node to be watched' })
    assert(!node.paths().some(path => path.includes('/tasks/report/')))
    const task = node.tasks.get(1)
    assert(task)
    task.status = 'reported'
    await front.reaches(id, 'finished')
    await waitFor(() => node.paths().includes('GET /tasks/delete/1'), { describe: 'the copy to be deleted' })
    const asked = node.paths().filter(path => /report|delete/.test(path))
    assert(
      ['json', 'maec', 'html'].every(format =>
        asked.some(path => path.endsWith(`/${format}`) || (format === 'json' && path.endsWith('/1'))),
      ),
    )
    assert.equal(asked.at(-1), 'GET /tasks/delete/1')
    const bytes = await report(`${id}`)
    assert.deepEqual([bytes.status, bytes.text, bytes.type], [200, '{"info": {"id": 1}}', 'application/json'])
    assert.equal((await report(`${id}/json`)).text, bytes.text)
    for (const accept of [[], ['-H', 'Accept: application/xml']]) {
      const maec = await report(`${id}/maec`, ...accept)
      assert.deepEqual([maec.status, maec.type, maec.text], [200, 'application/xml', '<maec/>'])
    }
    const html = await report(`${id}/html`, '-i')
    assert.match(html.text, /content-security-policy: sandbox/i)
    assert.match(html.text, /x-content-type-options: nosniff/i)
    for (const format of ['nope', 'JSON', 'mmdef', 'dropped', '..%2F..%2Fdist.db', '%2e%2e', '../../dist.db']) {
      refused(await report(`${id}/${format}`), 404)
    }
    await waitFor(async () => (await samplesIn(front.folder)).length === 0, { describe: 'the sample to be removed' })
    assert.equal(member((await curl(`${server}/task/${id}`)).json, 'tasks', String(id), 'path'), null)
  })

  test('a URL is analysed by a node, and its report fetched, as a file is', async t => {
    const node = await fakeNode(t)
    node.newStatus = 'reported'
    node.reports.set('json', '{"target": {"category": "url", "url": "http://example.com/a?b"}}')
    const front = await serve(t)
    await front.addNode('n', node.url)
    const created = await curl(`${front.url}/task`, '-F', 'url=http://example.com/a?b', '-F', 'timeout=60')
    assert.deepEqual([created.status, created.json], [200, { task_id: 1 }])
    await front.reaches(1, 'finished')
    await waitFor(() => node.tasks.size === 0, { describe: 'the copy to be deleted' })
    const call = node.calls.find(({ path }) => path === '/tasks/create/url')
    assert.deepEqual(
      ['url', 'timeout'].map(name => call?.fields.get(name)),
      ['http://example.com/a?b', '60'],
    )
    assert.equal((await curl(`${front.url}/report/1`)).text, node.reports.get('json'))
    const shown = member((await curl(`${front.url}/task/1`)).json, 'tasks', '1')
    assert.deepEqual(
      ['category', 'url', 'path', 'filename', 'node'].map(name => member(shown, name)),
      ['url', 'http://example.com/a?b', null, null, 'n'],
    )
  })

  test('a failed task says why, in place of its report', async t => {
    const node = await fakeNode(t)
    node.newStatus = 'failed_analysis'
    const front = await serve(t)
    await front.addNode('n', node.url)
    const id = await front.submit('MZ')
    await front.reaches(id, 'failed')
    refused(await curl(`${front.url}/report/${id}`), 404, /^Task failed: .*failed_analysis/)
    await waitFor(() => node.tasks.size === 0, { describe: 'the copy to be deleted' })
  })

  test('a deleted task is gone with its files, on the node as soon as that lets go of it', async t => {
    const node = await fakeNode(t)
    node.newStatus = 'reported'
    const front = await serve(t)
    const { url: server, folder } = front
    await front.addNode('n', node.url)
    const done = await front.submit('MZ 1')
    await front.reaches(done, 'finished')
    assert(existsSync(join(folder, 'reports', String(done))))
    node.newStatus = 'running'
    const running = await front.submit('MZ 2')
    await front.reaches(running, 'processing')
    for (const id of [done, running]) {
      assert.equal((await curl('-XDELETE', `${server}/task/${id}`)).text, 'null')
      refused(await curl(`${server}/task/${id}`), 404, /^Task not found$/)
      refused(await curl(`${server}/report/${id}`), 404, /^Task not found$/)
      refused(await curl('-XDELETE', `${server}/task/${id}`), 404)
      assert(!existsSync(join(folder, 'reports', String(id))))
    }
    assert.deepEqual(await samplesIn(folder), [])
    await waitFor(() => node.paths().filter(path => path.startsWith('GET /tasks/delete/')).length >= 2, {
      describe: 'the node to be told to delete the running task',
    })
    for (const task of node.tasks.values()) task.status = 'reported'
    await waitFor(() => node.tasks.size === 0, { describe: 'the node to be empty' })
    assert(!existsSync(join(folder, 'reports', String(running))))
    assert.deepEqual((await curl(`${server}/task`)).json, { tasks: {} })
  })

  test('the status adds up, and shows dead nodes as dead', async t => {
    const [node, dead] = [await fakeNode(t), await fakeNode(t)]
    node.newStatus = 'running'
    const uptime = join(await folderOf(t), 'uptime.log')
    const front = await serve(t, { UptimeLogfile: uptime })
    await front.addNode('n1', node.url)
    await front.addNode('dead', dead.url)
    dead.close()
    await front.submit('MZ 1')
    const stuck = await front.submit('MZ 2', { tags: 'nobody' })
    const status = () => front.request('/status')
    await waitFor(async () => member(await status(), 'node_states', 'dead', 'state') === 'unreachable', {
      describe: 'the dead node to be seen as such',
    })
    await waitFor(async () => member(await status(), 'tasks', 'processing') === 1, {
      describe: 'one task to be on a node',
    })
    await waitFor(async () => JSON.stringify(member(await status(), 'waiting')).includes('nobody'), {
      describe: 'the reason why a task waits',
    })
    const shown = await status()
    const { pending, processed } = Object(member(shown, 'tasks'))
    assert.deepEqual([pending, processed], [1, 0])
    assert.deepEqual(Object.keys(Object(member(shown, 'nodes', 'n1'))).sort(), [
      ...['completed', 'pending', 'reported', 'running', 'total'],
    ])
    assert.equal(member(shown, 'nodes', 'dead'), undefined)
    assert.match(String(member(shown, 'node_states', 'dead', 'error')), /refused|failed/)
    assert.match(String(member(await front.request(`/task/${stuck}`), 'tasks', String(stuck), 'waiting')), /nobody/)
    assert(Number.isInteger(member(shown, 'timestamp')))
    await waitFor(() => existsSync(uptime), { describe: 'the uptime log' })
    await waitFor(async () => (await readFile(uptime, 'utf8')).split('\n').length > 2, { describe: 'two lines in it' })
    const line: unknown = JSON.parse((await readFile(uptime, 'utf8')).split('\n').at(-2) ?? '')
    assert(Number.isInteger(member(line, 'timestamp')))
    assert.deepEqual(Object.keys(Object(member(line, 'status'))), ['n1'])
  })

  test('SIGTERM in the middle of a transfer ends the process cleanly', async t => {
    const node = await fakeNode(t)
    node.newStatus = 'reported'
    const front = await serve(t)
    await front.addNode('n', node.url)
    node.answers.set('/tasks/report/1', 'hang').set('/tasks/report/1/json', 'hang')
    const id = await front.submit('MZ')
    await waitFor(() => node.paths().some(path => path.includes('/tasks/report/')), { describe: 'the fetch to begin' })
    const { code } = await front.process.stop()
    assert.equal(code, 0)
    assert.deepEqual(existsSync(join(front.folder, 'reports', String(id), 'report.json')), false)
  })
}
