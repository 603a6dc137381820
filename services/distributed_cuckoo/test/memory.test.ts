/** Memory dumps as formats: from both kinds of nodes, and served on each API. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type CapeOptions, startCape } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { makeNode, makeScene } from './dispatch-scene.js'

const FIRST = Buffer.alloc(100_000, 'first ')
const SECOND = Buffer.from('MDMP')
const CAPE_ON = ['cuckoostatus', 'taskdelete', 'machinelist'] as const

test('the dumps of a Cuckoo 2.0 are one tar, and each is sent by itself as Cuckoo sends it, to another cluster as well', async t => {
  const memory = { '412-1': FIRST, '412-1.py': 'another file', '7-2': SECOND } as const
  const node = await makeNode(t, { version: '2.0', artifacts: () => ({ memory }) })
  const scene = await makeScene(t, { ReportFormats: ['json', 'memory'] })
  await scene.addNode('n1', node.url)
  scene.start()
  const id = await scene.addTask('MZ')
  const task = await scene.reaches(id, 'finished')
  assert.equal(task.error, null)
  const { url } = await serveScene(t, scene)
  const bytes = async (path: string) => Buffer.from(await (await fetch(url + path)).arrayBuffer())

  const tar = await bytes(`/report/${id}/memory`)
  for (const path of [`/api/report/${id}/memory`, `/tasks/report/${id}/memory`])
    assert.deepEqual(await bytes(path), tar)
  const folder = await mkdtemp(join(tmpdir(), 'memory-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'dumps.tar'), tar)
  const run = (...args: string[]) => execFileSync('tar', args, { cwd: folder })
  assert.deepEqual(run('-tf', 'dumps.tar').toString().trim().split('\n'), ['412-1.dmp', '7-2.dmp'])
  assert.deepEqual(run('-xOf', 'dumps.tar', '412-1.dmp'), FIRST)

  for (const version of ['', '/v1']) {
    const list = await fetch(`${url}${version}/memory/list/${id}`)
    assert.deepEqual(await list.json(), { dump_files: ['412-1', '7-2'] })
    assert.deepEqual(await bytes(`${version}/memory/get/${id}/412-1`), FIRST)
    assert.deepEqual(await bytes(`${version}/memory/get/${id}/7-2`), SECOND)
  }
  const head = await fetch(`${url}/memory/get/${id}/412-1`, { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(FIRST.length)])
  for (const path of [`get/${id}/412-1.py`, `get/${id}/..%2Freport`, `list/${id + 1}`, `get/${id + 1}/412-1`]) {
    assert.equal((await fetch(`${url}/memory/${path}`)).status, 404, path)
  }

  const outer = await makeScene(t, { ReportFormats: ['json', 'memory'] })
  await outer.addNode('cluster', url)
  outer.start()
  const outerId = await outer.addTask('MZ outer')
  await outer.reaches(outerId, 'finished')
  assert.deepEqual(await outer.report(outerId, 'memory'), tar)
})

test('nothing is asked for unless it is a format, and a Cuckoo that has none is no failure', async t => {
  for (const [version, formats] of [
    ['2.0', ['json']],
    ['2.0', ['json', 'memory', 'fullmemory']],
    ['1.2', ['json', 'memory', 'fullmemory']],
  ] as const) {
    const node = await makeNode(t, { version })
    const scene = await makeScene(t, { ReportFormats: [...formats] })
    await scene.addNode('n1', node.url)
    scene.start()
    const id = await scene.addTask('MZ')
    assert.equal((await scene.reaches(id, 'finished')).error, null)
    const asked = node.journal.filter(({ path }) => path.includes('memory')).length
    assert.equal(asked > 0, formats.length > 1)
    const { url } = await serveScene(t, scene)
    for (const path of [`/memory/list/${id}`, `/report/${id}/memory`, `/report/${id}/fullmemory`]) {
      assert.equal((await fetch(url + path)).status, 404, path)
    }
  }
})

test('the dumps of a CAPE are its ZIP and its file, where its administrator has switched them on', async t => {
  const artefacts = () => ({ memory: { 412: FIRST }, fullMemory: SECOND })
  const run = async (options: CapeOptions) => {
    const cape = await startCape({ analysisTime: 20, artefacts, ...options })
    t.after(() => cape.close())
    const scene = await makeScene(t, { ReportFormats: ['json', 'memory', 'fullmemory'] })
    await scene.addNode('c1', cape.url)
    scene.start()
    const id = await scene.addTask('MZ')
    const { error } = await scene.reaches(id, 'finished')
    return { scene, id, error, url: (await serveScene(t, scene)).url }
  }
  const on = await run({ on: [...CAPE_ON, 'taskprocmemory', 'taskfullmemory'] })
  assert.equal(on.error, null)
  assert.equal((await on.scene.report(on.id, 'memory')).toString('latin1', 0, 4), 'PK\x03\x04')
  assert.deepEqual(await on.scene.report(on.id, 'fullmemory'), SECOND)
  const archive = await fetch(`${on.url}/tasks/report/${on.id}/memory`)
  assert.equal((await archive.arrayBuffer()).byteLength, (await on.scene.report(on.id, 'memory')).length)
  assert.equal((await fetch(`${on.url}/memory/list/${on.id}`)).status, 404)
  const off = await run({ on: CAPE_ON })
  const reports = await off.scene.store.tasks.reports(off.id)
  const missing = reports.filter(({ size }) => size === null).map(({ format, retry }) => [format, retry])
  assert.deepEqual(missing.filter(([format]) => String(format).includes('memory')).sort(), [
    ['fullmemory', false],
    ['memory', false],
  ])
})
