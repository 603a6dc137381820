/** Requests as genuine clients of Cuckoo send them, byte for byte as their HTTP library writes them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { type RawAnswer, sendRaw, serveScene } from './api-scene.js'
import { makeNode, makeScene, type Scene } from './dispatch-scene.js'

type Fields = Readonly<Record<string, string>>
type FilePart = readonly [name: string, filename: string, content: string]

const BOUNDARY = 'd1f0a5c2b3e44d5f9a6b7c8d9e0f1a2b'

/** What python-requests writes for `requests.post(url, data=…, files=…)`: texts first, parts without a type of their own. */
function pythonPost(path: string, { data = {}, files }: { data?: Fields; files?: readonly FilePart[] }): string {
  const texts = Object.entries(data).map(([name, value]) => `name="${name}"\r\n\r\n${value}`)
  const parts = (files ?? []).map(
    ([name, filename, content]) => `name="${name}"; filename="${filename}"\r\n\r\n${content}`,
  )
  const form = [...texts, ...parts].map(part => `--${BOUNDARY}\r\nContent-Disposition: form-data; ${part}\r\n`).join('')
  const body = files === undefined ? new URLSearchParams(data).toString() : `${form}--${BOUNDARY}--\r\n`
  const type = files === undefined ? 'application/x-www-form-urlencoded' : `multipart/form-data; boundary=${BOUNDARY}`
  return pythonRequest(`POST ${path}`, [`Content-Length: ${Buffer.byteLength(body)}`, `Content-Type: ${type}`]) + body
}

function pythonRequest(line: string, headers: readonly string[] = []): string {
  const own = [
    'Host: localhost:8090',
    'User-Agent: python-requests/2.31.0',
    'Accept-Encoding: gzip, deflate',
    'Accept: */*',
  ]
  return `${[`${line} HTTP/1.1`, ...own, 'Connection: close', ...headers].join('\r\n')}\r\n\r\n`
}

function jsonOf(answer: RawAnswer): Readonly<Record<string, unknown>> {
  assert.equal(answer.status, 200, answer.body)
  return { ...Object(JSON.parse(answer.body)) }
}

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
