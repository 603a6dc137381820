/** Forms as clients send them, at their limits and beyond. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { smallDisk } from '@cuckoo-distributed/testing'
import type { DistributedConfig } from '../src/config.js'
import { sendRaw, serveScene } from './api-scene.js'
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
  const { app, url } = await serveScene(t, scene)
  const send = async (url: string, parts: readonly Part[]) => {
    const headers = { 'content-type': 'multipart/form-data; boundary=b' }
    const answer = await app.inject({ method: 'POST', url, headers, payload: multipart(parts) })
    const { message, task_id: id }: { message?: string; task_id?: number } = answer.json()
    return { status: answer.statusCode, message, id: id ?? 0 }
  }
  const post = async (payload: string, type: string) => {
    const answer = await app.inject({ method: 'POST', url: '/task', headers: { 'content-type': type }, payload })
    const { message }: { message?: string } = answer.json()
    return { status: answer.statusCode, message }
  }
  return { scene, send, post, url }
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
  assert.equal((await send('/task', [SAMPLE, { name: 'tags', value: `${'ä'.repeat(990)}x` }])).status, 200)
  assert.equal((await send('/task', [SAMPLE, { name: 'tags', value: 'ä'.repeat(991) }])).status, 400)
  assert.equal((await samplesIn(scene.folder)).length, 3)
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

test('a switch that is none is refused, and kept as it was written otherwise', async t => {
  const { scene, send } = await formScene(t)
  for (const [name, value] of [
    ['memory', 'maybe'],
    ['enforce_timeout', '2'],
  ] as const) {
    for (const path of ['/task', '/tasks/create/file']) {
      assert.equal((await send(path, [SAMPLE, { name, value }])).status, 400, `${path} ${name}`)
    }
  }
  const { id } = await send('/task', [SAMPLE, { name: 'memory', value: 'Yes' }])
  assert.equal((await scene.store.tasks.get(id))?.memory, 'Yes')
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

test('a form that ends too early, or has no boundary, is refused and leaves nothing', async t => {
  const { scene, post } = await formScene(t)
  const whole = multipart([SAMPLE, { name: 'custom', value: 'c' }])
  const end = whole.indexOf('--b--')
  // The line break before the boundary belongs to it.
  for (const length of [
    0,
    3,
    40,
    whole.indexOf('MZ'),
    whole.indexOf('MZ') + 1,
    whole.indexOf('custom') + 9,
    end - 2,
    end,
  ]) {
    const { status, message } = await post(whole.slice(0, length), 'multipart/form-data; boundary=b')
    assert.deepEqual([status, message], [400, 'The form cannot be read'], `${length} bytes`)
  }
  for (const type of ['multipart/form-data', 'multipart/form-data; boundary=', 'multipart/form-data; boundary=other']) {
    assert.equal((await post(whole, type)).status, 400, type)
  }
  assert.deepEqual([await scene.store.tasks.list({}), await samplesIn(scene.folder)], [[], []])
})

test('a text that no database keeps is refused in every kind of form, with the sample', async t => {
  const { scene, send, post } = await formScene(t)
  const custom = { name: 'custom', value: 'a\0b' }
  assert.deepEqual((await send('/task', [SAMPLE, custom])).message, 'Parameter custom holds a null character')
  const encoded = await post('url=http://h/&custom=a%00b', 'application/x-www-form-urlencoded')
  assert.deepEqual([encoded.status, encoded.message], [400, 'Parameter custom holds a null character'])
  assert.deepEqual([await scene.store.tasks.list({}), await samplesIn(scene.folder)], [[], []])
})

test('what a client says it will send is held against the limits before it is read', async t => {
  const { scene, url } = await formScene(t, { MaxUpload: 1000, MinFreeSpace: 5000 })
  const announce = (length: number) => {
    const head = `Host: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${length}`
    return sendRaw(url, `POST /task HTTP/1.1\r\n${head}\r\n\r\n`)
  }
  t.mock.method(scene.files, 'freeBytes', async () => 2 ** 40)
  // A hundred fields with their heads beside the sample.
  assert.equal((await announce(1000 + 100 * 65 * 1024 + 1)).status, 413)
  t.mock.method(scene.files, 'freeBytes', async () => 5999)
  assert.equal((await announce(1000)).status, 507)
})

test('a sample is taken as long as its bytes and the free space to keep fit', async t => {
  const { scene, send } = await formScene(t, { MinFreeSpace: 5000 })
  const { length } = multipart([SAMPLE])
  t.mock.method(scene.files, 'freeBytes', async () => 5000 + length)
  assert.equal((await send('/task', [SAMPLE])).status, 200)
  t.mock.method(scene.files, 'freeBytes', async () => 5000 + length - 1)
  assert.equal((await send('/task', [SAMPLE])).status, 507)
})

test('of a file name the last part is kept, without control characters, up to 255 of them', async t => {
  const { scene, send } = await formScene(t)
  const nameOf = async (filename: string) => {
    const { id } = await send('/task', [{ ...SAMPLE, filename }])
    return (await scene.store.tasks.get(id))?.filename
  }
  assert.equal(await nameOf('../../a/b\u0007c\u007f.exe'), 'bc.exe')
  assert.equal(await nameOf('C:\\dir\\x.exe'), 'x.exe')
  assert.equal(await nameOf('x'.repeat(255)), 'x'.repeat(255))
  assert.equal(await nameOf('x'.repeat(256)), 'x'.repeat(255))
})

test('a disk that fills while a sample is received refuses it, and nothing of it is left', async t => {
  const { scene, send, url } = await formScene(t)
  const disk = scene.folder
  await smallDisk(t, join(disk, 'samples'), 2 ** 20)
  for (const size of [1_100_000, 3_000_000, 20_000_000]) {
    const { status, message } = await send('/task', [{ ...SAMPLE, value: 'x'.repeat(size) }])
    assert.deepEqual([status, message], [507, 'Insufficient Storage'], String(size))
    assert.deepEqual(await samplesIn(disk), [])
  }
  // A client that does not say how much comes is still sending when the disk is full.
  const content = multipart([{ ...SAMPLE, value: 'x'.repeat(3_000_000) }])
  const pieces = async function* () {
    for (let at = 0; at < content.length; at += 2 ** 16) yield Buffer.from(content.slice(at, at + 2 ** 16))
  }
  const answer = await fetch(`${url}/task`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body: ReadableStream.from(pieces()),
    duplex: 'half',
  })
  assert.deepEqual([answer.status, await answer.json()], [507, { status: 507, message: 'Insufficient Storage' }])
  assert.deepEqual(await samplesIn(disk), [])
  assert.equal((await send('/task', [SAMPLE])).status, 200)
  assert.equal((await scene.store.tasks.list({})).length, 1)
})
