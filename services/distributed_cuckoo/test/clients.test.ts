/** Requests as genuine clients of Cuckoo send them, byte for byte as their HTTP library writes them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { type RawAnswer, sendRaw, serveScene } from './api-scene.js'
import { makeNode, makeScene, type Scene } from './dispatch-scene.js'
import { startFakeNode } from './fake-node.js'
import { jsonOf, pythonPost, pythonRequest } from './python-client.js'

async function taskMade(scene: Scene, answer: RawAnswer) {
  const { task_id: id } = jsonOf(answer)
  const task = await scene.store.tasks.get(Number(id))
  assert(task, String(id))
  return task
}

test('the documented way of 1.2 and keithjjones/cuckoo-api: a url as a file without a name', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const files = [['url', '', 'http://example.org/malwr.exe']] as const
  for (const data of [{}, { timeout: '60', tags: 'a,b' }]) {
    const task = await taskMade(scene, await sendRaw(url, pythonPost('/tasks/create/url', { data, files })))
    assert.deepEqual([task.category, task.url, task.sampleSize], ['url', 'http://example.org/malwr.exe', null])
    assert.equal(task.timeout, 'timeout' in data ? 60 : null)
  }
})

test('`submit.py --remote` of 1.2: Python’s False as a text, empty texts, a second file that is a name', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const data = {
    ...{ package: '', timeout: '0', options: '', priority: '1', machine: '', platform: '' },
    ...{ memory: 'False', enforce_timeout: 'False', custom: '' },
  }
  const files = [
    ['file', 'sample.exe', 'MZ'],
    ['filename', 'filename', 'sample.exe'],
  ] as const
  const task = await taskMade(scene, await sendRaw(url, pythonPost('/tasks/create/file', { data, files })))
  const { filename, package: analyser, timeout, priority, machine, platform, enforceTimeout } = task
  assert.deepEqual(
    [filename, analyser, timeout, priority, machine, platform, enforceTimeout],
    ['sample.exe', null, 0, 1, null, null, false],
  )
  const address = { ...data, url: 'http://example.org/?a=1&b=2' }
  const visit = await taskMade(scene, await sendRaw(url, pythonPost('/tasks/create/url', { data: address })))
  assert.equal(visit.url, 'http://example.org/?a=1&b=2')
})

test('`cuckoo submit --remote` of 2.0.7: switches as digits, `unique`', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const data = { package: '', priority: '1', options: 'free=yes', memory: '0', enforce_timeout: '1', unique: '1' }
  const post = pythonPost('/tasks/create/file', { data, files: [['file', 'a b.exe', 'MZ']] })
  const task = await taskMade(scene, await sendRaw(url, post))
  assert.deepEqual([task.options, task.memory, task.enforceTimeout], ['free=yes', '0', true])
  const again = await sendRaw(url, post)
  assert.equal(again.status, 400)
  assert.deepEqual(JSON.parse(again.body), { status: 400, message: 'This file has already been submitted' })
})

test('MISP’s cuckoo_submit: an owner, and a domain in place of a url', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const post = pythonPost('/tasks/create/file', { data: { owner: 'MISP' }, files: [['file', 'x', 'MZ']] })
  assert.equal((await taskMade(scene, await sendRaw(url, post))).owner, 'MISP')
  const visit = pythonPost('/tasks/create/url', { data: { url: 'example.org', owner: 'MISP' } })
  assert.equal((await taskMade(scene, await sendRaw(url, visit))).url, 'example.org')
})

test('PeekabooAV and Cortex: the status once, a file with its name only, views until it is reported, the report', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const get = async (path: string) => jsonOf(await sendRaw(url, pythonRequest(`GET ${path}`)))
  assert.equal(Object((await get('/cuckoo/status')).tasks).reported, 0)
  const post = pythonPost('/tasks/create/file', { files: [['file', 's.exe', 'MZ']] })
  const { id } = await taskMade(scene, await sendRaw(url, post))
  assert.equal(Object((await get(`/tasks/view/${id}`)).task).status, 'pending')
  const node = await makeNode(t)
  await scene.addNode('n1', node.url)
  scene.start()
  await scene.reaches(id, 'finished')
  assert.equal(Object((await get(`/tasks/view/${id}`)).task).status, 'reported')
  assert(Array.isArray((await get(`/tasks/report/${id}/json`)).signatures))
})

test('IntelOwl: a bearer it may not need, one id in the answer, views until it is reported, the report', async t => {
  const { scene, url, untilReported } = await analysed(t)
  const bearer = (request: string) => request.replace('Accept: */*', 'Accept: */*\r\nAuthorization: Bearer key')
  const answer = await sendRaw(url, bearer(pythonPost('/tasks/create/file', { files: [['file', 'a.exe', 'MZ']] })))
  const { id, filename } = await taskMade(scene, answer)
  assert.equal(filename, 'a.exe')
  // It would take the first of them.
  assert.equal('task_ids' in jsonOf(answer), false)
  await untilReported(id)
  const view = jsonOf(await sendRaw(url, bearer(pythonRequest(`GET /tasks/view/${id}`))))
  assert.equal(Object(view.task).status, 'reported')
  const report = await sendRaw(url, bearer(pythonRequest(`GET /tasks/report/${id}/json`)))
  assert.deepEqual(jsonOf(report), { info: { id: 1 } })
})

test('Strelka: options as files, which Cuckoo does not read either, and a user without a name', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const files = [
    ['file', 'strelka_6f1c', 'MZ'],
    ['priority', 'priority', '3'],
    ['unique', 'unique', 'True'],
  ] as const
  const post = pythonPost('/tasks/create/file', { files })
  const asNobody = post.replace('Accept: */*', `Accept: */*\r\nAuthorization: Basic ${btoa('None:None')}`)
  for (const turn of ['first', 'again']) {
    const { filename, priority } = await taskMade(scene, await sendRaw(url, asNobody))
    assert.deepEqual([filename, priority], ['strelka_6f1c', 1], turn)
  }
})

test('keithjjones/cuckoo-api: machines, files by digest and the sample itself', async t => {
  const { scene, url, id, content } = await submitted(t)
  const get = (path: string) => sendRaw(url, pythonRequest(`GET ${path}`))
  await scene.addNode('n1', 'http://127.0.0.1:1/')
  const { machine } = jsonOf(await get('/machines/view/cuckoo1'))
  assert.deepEqual(
    [Object(machine).name, Object(machine).platform, Object(machine).locked],
    ['cuckoo1', 'windows', false],
  )
  const digest = (name: string) => createHash(name).update(content).digest('hex')
  for (const path of [`md5/${digest('md5')}`, `sha256/${digest('sha256')}`, `id/${id}`]) {
    const { sample } = jsonOf(await get(`/files/view/${path}`))
    const { md5, sha256, file_size, tasks } = Object(sample)
    assert.deepEqual([md5, sha256, file_size, tasks], [digest('md5'), digest('sha256'), content.length, [id]], path)
  }
  assert.equal((await get(`/files/get/${digest('sha256')}`)).body, content)
  for (const path of [
    '/machines/view/nobody',
    `/files/view/md5/${'0'.repeat(32)}`,
    '/pcap/get/1',
    '/tasks/screenshots/1',
  ]) {
    const answer = await get(path)
    assert.deepEqual([answer.status, JSON.parse(answer.body).status], [404, 404], path)
  }
})

/** A server with one task of this content. */
async function submitted(t: TestContext) {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const content = 'MZ a sample'
  const post = pythonPost('/tasks/create/file', { files: [['file', 's.exe', content]] })
  const { id } = await taskMade(scene, await sendRaw(url, post))
  return { scene, url, id, content }
}

/** A server whose node has these reports of each task, and the states that the test gives to its tasks. */
async function analysed(t: TestContext, reports: Readonly<Record<string, string>> = {}) {
  const scene = await makeScene(t, { ReportFormats: ['json', 'all', 'pcap'] })
  const node = await startFakeNode()
  t.after(() => node.close())
  for (const [format, report] of Object.entries(reports)) node.reports.set(format, report)
  node.answers.set('/pcap/get/1', [200, 'the capture'])
  await scene.addNode('lab1', node.url)
  scene.start()
  const { url } = await serveScene(t, scene)
  const raw = (path: string) => sendRaw(url, pythonRequest(`GET ${path}`))
  const get = async (path: string) => jsonOf(await raw(path))
  const statusOf = async (id: number) => String(Object((await get(`/tasks/view/${id}`)).task).status)
  const move = (status: string) => {
    for (const task of node.tasks.values()) task.status = status
  }
  const untilReported = async (id: number) => {
    const isReported = async () => {
      move('reported')
      return (await statusOf(id)) === 'reported'
    }
    await waitFor(isReported, { describe: 'the report' })
  }
  return { scene, node, url, raw, get, statusOf, move, untilReported }
}

test('FAME: enforced and routed, a report that is read as it comes, and the capture', async t => {
  const { scene, url, raw, untilReported } = await analysed(t)
  const data = { timeout: '300', enforce_timeout: 'True', options: 'route=internet' }
  const post = pythonPost('/tasks/create/file', { data, files: [['file', 'sample.doc', 'MZ']] })
  const { id, timeout, enforceTimeout, options } = await taskMade(scene, await sendRaw(url, post))
  assert.deepEqual([timeout, enforceTimeout, options], [300, true, 'route=internet'])
  await untilReported(id)
  // Made with urllib, not with requests.
  const own = [
    'Accept-Encoding: identity',
    'Host: localhost:8090',
    'User-Agent: Python-urllib/3.9',
    'Connection: close',
  ]
  const report = await sendRaw(url, `${[`GET /tasks/report/${id} HTTP/1.1`, ...own].join('\r\n')}\r\n\r\n`)
  assert.deepEqual(jsonOf(report), { info: { id: 1 } })
  assert.equal((await raw(`/pcap/get/${id}`)).body, 'the capture')
  const visit = pythonPost('/tasks/create/url', { data: { ...data, url: 'http://example.org/' } })
  assert.equal((await taskMade(scene, await sendRaw(url, visit))).url, 'http://example.org/')
})

test('Assemblyline: the emptiest server, no failure in a view, then `json` and `all` by their lengths', async t => {
  const { scene, url, raw, get, untilReported } = await analysed(t, { all: 'tar of all' })
  assert.equal(Object((await get('/cuckoo/status')).tasks).pending, 0)
  const { machines } = await get('/machines/list')
  assert(Array.isArray(machines) && machines.every(machine => 'ip' in machine && Array.isArray(machine.tags)))
  const data = { timeout: '150', enforce_timeout: 'False', memory: 'False', options: 'free=no,procmemdump=yes' }
  const post = pythonPost('/tasks/create/file', { data, files: [['file', 'a.exe', 'MZ']] })
  const { id } = await taskMade(scene, await sendRaw(url, post))
  const { task } = await get(`/tasks/view/${id}`)
  assert.deepEqual([Object(task).id, Object(task).errors, Object(task).guest], [id, [], {}])
  await untilReported(id)
  for (const [path, length] of [
    [`/tasks/report/${id}/json`, 19],
    [`/tasks/report/${id}/all?tar=bz2`, 10],
  ] as const) {
    const answer = await raw(path)
    assert.deepEqual([answer.status, answer.headers.get('content-length')], [200, String(length)], path)
    assert.equal(answer.body.length, length)
  }
  assert.deepEqual(await get(`/tasks/delete/${id}`), { status: 'OK' })
  const gone = await raw(`/tasks/view/${id}`)
  assert.equal(gone.status, 404)
})

test('multiscanner: a task counts as running, and its time begins, when its node runs it, and it never waits again', async t => {
  const { scene, node, url, statusOf, move, untilReported, get } = await analysed(t)
  node.newStatus = 'pending'
  const post = pythonPost('/tasks/create/file', { files: [['file', 'a.exe', 'MZ']] })
  const { id } = await taskMade(scene, await sendRaw(url, post))
  // Also before the node was looked at for the first time.
  await waitFor(
    async () => {
      const task = await scene.store.tasks.get(id)
      assert.equal(await statusOf(id), 'pending')
      return task?.nodeState === 'pending'
    },
    { describe: 'a look at the node' },
  )
  move('running')
  await waitFor(async () => (await statusOf(id)) === 'running', { describe: 'it to run' })
  await untilReported(id)
  assert.deepEqual(await get(`/tasks/report/${id}`), { info: { id: 1 } })
})

test('CRITs’ stock service: machines by name, an option of its own, a guest of what ran, dropped files and capture', async t => {
  const { scene, url, raw, get, untilReported } = await analysed(t, { dropped: 'BZh tar' })
  const { machines } = await get('/machines/list')
  assert(Array.isArray(machines))
  assert.deepEqual(
    machines.map(({ name }) => name),
    ['cuckoo1'],
  )
  const data = { timeout: '120', enforce_timeout: 'True', machine: 'cuckoo1', options: 'procmemdump=yes,free=yes' }
  const post = pythonPost('/tasks/create/file', { data, files: [['file', 's.exe', 'MZ']] })
  const { id } = await taskMade(scene, await sendRaw(url, post))
  await untilReported(id)
  const { guest } = Object((await get(`/tasks/view/${id}`)).task)
  assert.deepEqual([guest.name, guest.manager], ['cuckoo1', 'lab1'])
  assert.deepEqual(await get(`/tasks/report/${id}`), { info: { id: 1 } })
  assert.equal((await raw(`/tasks/report/${id}/dropped`)).body, 'BZh tar')
  assert.equal((await raw(`/pcap/get/${id}`)).body, 'the capture')
})
