/** Forms as clients send them, at their limits and beyond. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { DistributedConfig } from '../src/config.js'
import { serveScene } from './api-scene.js'
import { samplesIn } from './contract-scene.js'
import { makeScene } from './dispatch-scene.js'

interface Part {
  readonly name: string
  readonly value: string
  /** Undefined: a field. */
  readonly filename?: string
  readonly type?: string
}

const SAMPLE: Part = { name: 'file', filename: 's.exe', value: 'MZ' }

function multipart(parts: readonly Part[]): string {
  const sent = parts.map(({ name, value, filename, type }) => {
    const file = filename === undefined ? '' : `; filename="${filename}"`
    const typed = type === undefined ? '' : `\r\nContent-Type: ${type}`
    return `--b\r\nContent-Disposition: form-data; name="${name}"${file}${typed}\r\n\r\n${value}\r\n`
  })
  return `${sent.join('')}--b--\r\n`
}

async function formScene(t: TestContext, config: Partial<DistributedConfig> = {}) {
  const scene = await makeScene(t, config)
  const { app } = await serveScene(t, scene)
  const send = async (url: string, parts: readonly Part[]) => {
    const headers = { 'content-type': 'multipart/form-data; boundary=b' }
    const answer = await app.inject({ method: 'POST', url, headers, payload: multipart(parts) })
    const { message, task_id: id }: { message?: string; task_id?: number } = answer.json()
    return { status: answer.statusCode, message, id: id ?? 0 }
  }
  return { scene, send }
}

const fields = (count: number, value = '') => Array.from({ length: count }, (_, i) => ({ name: `f${i}`, value }))

test('a form may have a hundred fields beside the sample, of 64 KiB each', async t => {
  const { scene, send } = await formScene(t)
  assert.equal((await send('/task', [SAMPLE, ...fields(100)])).status, 200)
  assert.equal((await send('/task', [...fields(100), SAMPLE])).status, 200)
  const many = await send('/task', [SAMPLE, ...fields(101)])
  assert.deepEqual([many.status, many.message], [400, 'The form has more than 100 fields'])
  const files = Array.from({ length: 200 }, () => ({ name: 'other', filename: 'x', value: '' }))
  assert.equal((await send('/task', [SAMPLE, ...files.slice(1)])).status, 200)
  assert.equal((await send('/task', [SAMPLE, ...files])).status, 400)
  const custom = { name: 'custom', value: 'x'.repeat(64 * 1024) }
  const kept = await send('/task', [custom, SAMPLE])
  assert.equal((await scene.store.tasks.get(kept.id))?.custom, custom.value)
  const cut = await send('/task', [SAMPLE, { ...custom, value: `${custom.value}x` }])
  assert.deepEqual([cut.status, cut.message], [413, 'Payload Too Large'])
  assert.equal((await scene.store.tasks.list({})).length, 4)
  assert.equal((await samplesIn(scene.folder)).length, 4)
})

test('a sample may be as large as MaxUpload, and a requirement 2,000 bytes long', async t => {
  const { scene, send } = await formScene(t, { MaxUpload: 5000 })
  assert.equal((await send('/task', [{ ...SAMPLE, value: 'x'.repeat(5000) }])).status, 200)
  assert.equal((await send('/task', [{ ...SAMPLE, value: 'x'.repeat(5001) }])).status, 413)
  // ["windows",null,"…"]
  const tag = (length: number) => ({ name: 'tags', value: 'x'.repeat(length - 19) })
  assert.equal((await send('/task', [SAMPLE, tag(2000)])).status, 200)
  assert.equal((await send('/task', [SAMPLE, tag(2001)])).status, 400)
  assert.equal((await samplesIn(scene.folder)).length, 2)
})

test('a part with an empty file name is a field, but for the sample', async t => {
  const { scene, send } = await formScene(t)
  const url = { name: 'url', filename: '', value: 'http://example.com/' }
  for (const path of ['/task', '/tasks/create/url', '/v1/tasks/create/url']) {
    const { status, id } = await send(path, [url, { name: 'custom', filename: '', value: 'c', type: 'text/plain' }])
    const task = await scene.store.tasks.get(id)
    assert.deepEqual([status, task?.url, task?.custom, task?.category], [200, url.value, 'c', 'url'], path)
  }
  const { id } = await send('/task', [{ ...SAMPLE, filename: '' }])
  const unnamed = await scene.store.tasks.get(id)
  assert.deepEqual([unnamed?.category, unnamed?.filename, unnamed?.sampleSize], ['file', null, 2])
})

test('what is missing is said', async t => {
  const { scene, send } = await formScene(t)
  const either = 'Send the sample as a file named `file`, or an address as a field named `url`'
  const file = 'Send the sample as a file named `file`'
  const url = 'Send the address as a field named `url`'
  const other = { ...SAMPLE, name: 'sample' }
  const cases: [path: string, parts: Part[], message: string][] = [
    ['/task', [], either],
    ['/task', [{ name: 'file', value: 'MZ' }], either],
    ['/task', [other], either],
    ['/task', [{ name: 'url', value: '' }], either],
    ['/task', [SAMPLE, { name: 'url', value: 'http://h/' }], 'Send either a file or a url'],
    ['/task', [SAMPLE, SAMPLE], 'More than one file'],
    ['/task', [{ ...SAMPLE, value: '' }], 'The file is empty'],
    ['/tasks/create/file', [other], file],
    ['/tasks/create/file', [{ name: 'url', value: 'http://h/' }], file],
    ['/tasks/create/url', [], url],
    ['/tasks/create/url', [SAMPLE], url],
  ]
  for (const [path, parts, message] of cases) {
    const answer = await send(path, parts)
    assert.deepEqual([answer.status, answer.message], [400, message], `${path} ${JSON.stringify(parts)}`)
  }
  assert.deepEqual([await scene.store.tasks.list({}), await samplesIn(scene.folder)], [[], []])
})

test('an empty number is left out on Cuckoo’s own API, and refused by the Distributed one', async t => {
  const { scene, send } = await formScene(t)
  for (const name of ['timeout', 'priority']) {
    const empty = { name, value: '' }
    assert.equal((await send('/task', [SAMPLE, empty])).status, 400)
    const { status, id } = await send('/tasks/create/file', [SAMPLE, empty])
    const task = await scene.store.tasks.get(id)
    assert.deepEqual([status, task?.timeout, task?.priority], [200, null, 1])
    assert.equal((await send('/tasks/create/file', [SAMPLE, { name, value: 'x' }])).status, 400)
  }
})

test('a sample that there is a task of is refused with `unique`, and stored once', async t => {
  const { scene, send } = await formScene(t)
  const unique = { name: 'unique', value: '1' }
  const { status, id } = await send('/tasks/create/file', [SAMPLE, unique])
  assert.equal(status, 200)
  const again = await send('/tasks/create/file', [SAMPLE, unique])
  assert.deepEqual([again.status, again.message], [400, 'This file has already been submitted'])
  assert.equal((await samplesIn(scene.folder)).length, 1)
  assert.equal((await send('/tasks/create/file', [SAMPLE, { name: 'unique', value: 'False' }])).status, 200)
  assert.equal((await send('/tasks/create/file', [{ ...SAMPLE, value: 'MZ other' }, unique])).status, 200)
  // The Distributed API does not know the field.
  assert.equal((await send('/task', [SAMPLE, unique])).status, 200)
  for (const task of await scene.store.tasks.list({})) await scene.store.tasks.remove(task.id)
  assert.equal(await scene.store.tasks.get(id), undefined)
  assert.equal((await send('/tasks/create/file', [SAMPLE, unique])).status, 200)
})

test('dates that do not exist are refused', async t => {
  const { send } = await formScene(t)
  const statusOf = async (value: string) => (await send('/task', [SAMPLE, { name: 'clock', value }])).status
  for (const clock of ['02-29-2016 23:59:59', '0', '999999999999', '']) assert.equal(await statusOf(clock), 200, clock)
  const wrong = [
    '13-01-2014 12:00:00',
    '02-30-2016 12:00:00',
    '02-29-2015 12:00:00',
    '01-01-2014 24:00:01',
    '01-01-2014',
    '-1',
  ]
  for (const clock of [...wrong, '1000000000000', '2014-01-01 12:00:00'])
    assert.equal(await statusOf(clock), 400, clock)
})

test('a disk that fills while a sample is received refuses it, and nothing of it is left', async t => {
  const disk = await mkdtemp(join(tmpdir(), 'small-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], { stdio: 'ignore' })
  } catch {
    await rm(disk, { recursive: true })
    return t.skip('a small disk needs the right to mount one')
  }
  const { scene, send } = await formScene(t, { SamplesDirectory: join(disk, 'samples') })
  // Hooks run in the order they were set: after the scene has let go of the disk.
  t.after(async () => {
    execFileSync('umount', [disk])
    await rm(disk, { recursive: true })
  })
  for (const size of [1_100_000, 3_000_000, 20_000_000]) {
    const { status, message } = await send('/task', [{ ...SAMPLE, value: 'x'.repeat(size) }])
    assert.deepEqual([status, message], [507, 'Insufficient Storage'], String(size))
    assert.deepEqual(await samplesIn(disk), [])
  }
  assert.equal((await send('/task', [SAMPLE])).status, 200)
  assert.equal((await scene.store.tasks.list({})).length, 1)
})
