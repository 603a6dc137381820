/** Nodes that are CAPEs. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CapeOptions, type CapeStandIn, startCape, waitFor } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { makeNode, makeScene, type Scene } from './dispatch-scene.js'

const ON = ['cuckoostatus', 'taskdelete', 'machinelist'] as const
const KEY = 'aPrivateKey'

async function makeCape(t: TestContext, options: CapeOptions = {}): Promise<CapeStandIn> {
  const cape = await startCape({ analysisTime: 20, on: ON, ...options })
  t.after(() => cape.close())
  return cape
}

async function isEmptied({ tasks }: CapeStandIn): Promise<void> {
  await waitFor(() => tasks.size === 0, { describe: 'the node to be empty' })
}

async function startsOf(scene: Scene, id: number, format: string): Promise<string> {
  return (await scene.report(id, format)).subarray(0, 4).toString('latin1')
}

const asked = ({ journal }: CapeStandIn, part: string) => journal.filter(({ path }) => path.includes(part)).length

test('a CAPE is found to be one when it is registered, and its tasks are watched, fetched and deleted', async t => {
  const scene = await makeScene(t, { ReportFormats: ['json', 'payloads', 'pcap', 'procdump', 'html'] })
  const payloads = [Buffer.from('MZ unpacked')]
  const pcap = Buffer.from('d4c3b2a1', 'hex')
  const dropped = [{ name: 'a.txt', content: Buffer.from('dropped') }]
  const cape = await makeCape(t, { machineTags: [['office']], artefacts: () => ({ payloads, pcap, dropped }) })
  const { url, app, client } = await serveScene(t, scene)
  const register = async (at: string) =>
    fetch(`${url}/node`, { method: 'POST', body: new URLSearchParams({ name: 'c1', url: at }) })
  // Without the path of its API a CAPE is no sandbox.
  assert.equal((await register(cape.url.replace('/apiv2', '/'))).status, 404)
  assert.equal((await register(cape.url)).status, 200)
  scene.start()
  const id = await scene.addTask('MZ for a CAPE', { tags: 'office', platform: 'windows' })
  const task = await scene.reaches(id, 'finished')
  assert.equal(task.error, null)
  await isEmptied(cape)
  assert.deepEqual(await scene.reportNames(id), ['report.dropped', 'report.json', 'report.payloads', 'report.pcap'])
  assert.match(JSON.parse((await scene.report(id)).toString()).info.version, /^2\.5/)
  assert.equal(await startsOf(scene, id, 'payloads'), 'PK\x03\x04')
  assert.equal(await startsOf(scene, id, 'dropped'), 'PK\x03\x04')
  const kinds = [(await app.inject('/status')).json().node_states.c1.kind, (await app.inject('/node/c1')).json().kind]
  assert.deepEqual(kinds, ['cape', 'cape'])
  // Clients see a Cuckoo that has payloads as a format.
  const signal = new AbortController().signal
  const got = async (artifact: 'payloads' | 'pcap' | 'procdump' | 'screenshots') => {
    const answer = await client.artifact(id, artifact, signal)
    if (answer === 'none' || answer === undefined) return answer
    const chunks: Buffer[] = []
    for await (const chunk of answer.stream(1000)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  assert.deepEqual(await got('pcap'), pcap)
  assert.deepEqual(await got('payloads'), await scene.report(id, 'payloads'))
  assert.deepEqual([await got('procdump'), await got('screenshots')], ['none', 'none'])
  // What is switched off is asked for once, and its reason is kept.
  const procdump = (await scene.store.tasks.reports(id)).find(({ format }) => format === 'procdump')
  assert.match(procdump?.reason ?? '', /\[procdumpfiles\]/)
  assert.equal(procdump?.retry, false)
  assert.deepEqual([cape.submissions.length, cape.violations], [1, []])
})

test('a CAPE as it is shipped is a node: no status, no machines, no deletion', async t => {
  const scene = await makeScene(t)
  const cape = await makeCape(t, { on: [], artefacts: () => ({}) })
  await scene.addNode('c1', cape.url, [])
  scene.start()
  const ids = await scene.addTasks(3)
  await scene.allReach(ids, 'finished')
  await waitFor(async () => (await scene.store.nodes.get('c1'))?.inFlight === 0, {
    describe: 'nothing to be in flight',
  })
  assert.deepEqual([cape.tasks.size, cape.submissions.length], [3, 3])
  assert.ok(asked(cape, '/tasks/delete/') <= 1)
  assert.equal(asked(cape, 'delete_many'), 0)
  // Nothing was dropped: that is an archive without files.
  assert.equal(await startsOf(scene, ids[0] ?? 0, 'dropped'), 'PK\x05\x06')
  assert.deepEqual(cape.violations, [])
})

test('several tasks of one upload are one task: the first that is reported is its result, and all are deleted', async t => {
  const scene = await makeScene(t)
  const cape = await makeCape(t, { tasksPerUpload: () => 3, idle: true })
  await scene.addNode('c1', cape.url)
  scene.start()
  const id = await scene.addTask('PK a container')
  const nodeTask = async () => (await scene.reaches(id, 'processing')).nodeTaskId
  assert.equal(await nodeTask(), 1)
  cape.move(1, 'failed_analysis', 'it broke')
  await waitFor(async () => (await nodeTask()) === 2, { describe: 'the second one to be its task' })
  assert.match((await scene.reaches(id, 'processing')).error ?? '', /failed_analysis: it broke \(node c1\)/)
  cape.vanish(2)
  await waitFor(async () => (await nodeTask()) === 3, { describe: 'the third one to be its task' })
  cape.move(3, 'reported')
  const task = await scene.reaches(id, 'finished')
  assert.deepEqual([task.nodeTaskId, task.error, task.requeues], [3, null, 0])
  await isEmptied(cape)
  const copies = async () => (await scene.store.dispatch.submissionsOf(id)).length
  await waitFor(async () => (await copies()) === 0, { describe: 'all copies to be forgotten' })
  assert.equal(cape.submissions.length, 3)
  assert.deepEqual(cape.violations, [])
})

test('an upload whose answer is lost is adopted with all its tasks, which are deleted in the end', async t => {
  const scene = await makeScene(t)
  const cape = await makeCape(t, { tasksPerUpload: () => 3, idle: true })
  cape.faults.next({ kind: 'lostAfterStore', match: { method: 'POST' } })
  await scene.addNode('c1', cape.url)
  scene.start()
  const id = await scene.addTask('PK a container')
  assert.equal((await scene.reaches(id, 'processing')).nodeTaskId, 1)
  for (const nodeTask of [1, 2, 3]) cape.move(nodeTask, 'reported')
  await scene.reaches(id, 'finished')
  await isEmptied(cape)
  assert.deepEqual([cape.submissions.length, cape.violations], [3, []])
})

test('a task of which all parts fail has failed; one that is deleted takes all of them along', async t => {
  const scene = await makeScene(t)
  const cape = await makeCape(t, { tasksPerUpload: () => 2, idle: true })
  await scene.addNode('c1', cape.url)
  scene.start()
  const [failing, deleted] = [await scene.addTask('PK one'), await scene.addTask('PK two')]
  await scene.allReach([failing, deleted], 'processing')
  for (const { id } of cape.submissions.slice(0, 2)) cape.move(id, 'failed_processing')
  await scene.reaches(failing, 'failed')
  await scene.store.tasks.remove(deleted)
  await isEmptied(cape)
  assert.deepEqual([cape.submissions.length, (await scene.store.tasks.counts()).failed], [4, 1])
})

test('a CAPE that throttles is waited for: it stays up, and every task is analysed once', async t => {
  const cape = await makeCape(t, { users: [{ name: 'cluster', keys: [KEY], rate: 8 }], rateWindow: 1000 })
  const scene = await makeScene(t, { NodeTokens: { [cape.url]: KEY }, RequestsPerMinute: 'staff', NodeTimeout: 1 })
  // On a slow machine nobody would be too fast for it.
  cape.faults.next({ kind: 'status', status: 429, headers: { 'retry-after': '1' }, match: { path: /report/ } })
  const other = await makeNode(t, { version: '2.0' })
  await scene.addNode('c1', cape.url)
  await scene.addNode('c2', other.url)
  scene.start()
  await scene.allReach(await scene.addTasks(12), 'finished')
  assert.ok(
    cape.journal.some(({ status }) => status === 429),
    'it has throttled',
  )
  assert.ok(cape.submissions.length > 0 && other.submissions.length > 0)
  assert.equal(cape.submissions.length + other.submissions.length, 12)
  const { failures, kind } = (await scene.store.nodes.get('c1')) ?? {}
  assert.deepEqual([failures, kind], [0, 'cape'])
  await isEmptied(cape)
})

test('a CAPE that goes away in the middle gives its tasks to another kind, and what it brings later is not wanted', async t => {
  const scene = await makeScene(t, { NodeTimeout: 1 })
  const cape = await makeCape(t, { analysisTime: Number.POSITIVE_INFINITY })
  const other = await makeNode(t)
  await scene.addNode('c1', cape.url)
  scene.start()
  const ids = await scene.addTasks(2)
  await waitFor(() => cape.submissions.length === 2, { describe: 'the CAPE to have the tasks' })
  await cape.down()
  await scene.addNode('c2', other.url)
  const tasks = await scene.allReach(ids, 'finished')
  assert.deepEqual(
    tasks.map(({ nodeName }) => nodeName),
    ['c2', 'c2'],
  )
  await cape.up()
  for (const { id } of cape.submissions) cape.move(id, 'reported')
  await isEmptied(cape)
  assert.equal(other.submissions.length, 2)
})
