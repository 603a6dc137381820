import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import test from 'node:test'
import { create, FORM_TYPE, form, send, start, type Upload, upload } from './cuckoo-client.js'

test('a submission is kept with its fields, hashes and bytes', async t => {
  const cuckoo = await start(t, { version: '1.3' })
  const fields = {
    package: 'exe',
    timeout: '60',
    priority: '2',
    options: 'free=yes',
    platform: 'windows',
    custom: '56f0',
    tags: 'a, b',
    memory: 'true',
    owner: 'crits',
  }
  const id = await create(cuckoo.url, { content: 'MZ\0body', fields })
  const task = cuckoo.tasks.get(id) ?? assert.fail()
  assert.equal(task.sample.md5, createHash('md5').update('MZ\0body').digest('hex'))
  assert.deepEqual(task.sample.head, Buffer.from('MZ\0body'))
  assert.equal(task.timeout, 60)
  assert.equal(task.priority, 2)
  assert.equal(task.custom, '56f0')
  assert.equal(task.owner, 'crits')
  assert.deepEqual(task.tags, ['a', 'b'])
  assert.equal(task.memory, true)
  assert.equal(task.enforceTimeout, false)
  assert.deepEqual(cuckoo.violations, [])
})

const MISSING: Readonly<Record<string, Upload>> = {
  'no part "file"': { disposition: 'name="upload"; filename="s.exe"' },
  'a "file" part without a name': { disposition: 'name="file"' },
  'a name sent as filename*': { disposition: `name="file"; filename*=UTF-8''s.exe` },
}
for (const [what, options] of Object.entries(MISSING)) {
  test(`${what} is a 500 on 1.2, a 400 on 2.0, and wrong on both`, async t => {
    for (const [version, status] of [
      ['1.2', 500],
      ['2.0', 400],
    ] as const) {
      const cuckoo = await start(t, { version })
      const answer = await upload(cuckoo.url, options)
      assert.equal(answer.status, status)
      assert.match(String(answer.headers['content-type']), /^text\/html/)
      assert.equal(cuckoo.submissions.length, 0)
      assert.notEqual(cuckoo.violations.length, 0)
    }
  })
}

test('an empty file name and a body that is no form are refused', async t => {
  const statuses = async (version: '1.2' | '2.0-dev' | '2.0'): Promise<number[]> => {
    const cuckoo = await start(t, { version })
    const unnamed = await upload(cuckoo.url, { disposition: 'name="file"; filename=""' })
    const url = `${cuckoo.url}/tasks/create/file`
    const encoded = await send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'file=abc',
    })
    const empty = await send(url, { method: 'POST' })
    return [unnamed.status, encoded.status, empty.status]
  }
  assert.deepEqual(await statuses('1.2'), [500, 500, 500])
  assert.deepEqual(await statuses('2.0-dev'), [500, 400, 400])
  assert.deepEqual(await statuses('2.0'), [400, 400, 400])
})

test('1.2 rewrites file names, 2.0 keeps them, both cut paths', async t => {
  const stored = async (version: '1.2' | '2.0', name: string): Promise<string | undefined> => {
    const cuckoo = await start(t, { version })
    const id = await create(cuckoo.url, { disposition: `name="file"; filename="${name}"` })
    return cuckoo.tasks.get(id)?.fileName
  }
  assert.equal(await stored('1.2', 'näme ü.exe'), 'name-u.exe')
  assert.equal(await stored('1.2', 'q%22uote.exe'), 'q22uote.exe')
  assert.equal(await stored('1.2', 'a;b.exe'), 'ab.exe')
  assert.equal(await stored('1.2', '../../evil2.exe'), 'evil2.exe')
  assert.equal(await stored('2.0', 'näme ü.exe'), 'näme ü.exe')
  assert.equal(await stored('2.0', 'q%22uote.exe'), 'q%22uote.exe')
  assert.equal(await stored('2.0', 'back\\slash.exe'), 'slash.exe')
})

for (const field of ['custom', 'options']) {
  test(`a non-ASCII ${field} gives task_id null on 1.2 and a task on 2.0; both times it is wrong`, async t => {
    const old = await start(t)
    const answer = await upload(old.url, { fields: { [field]: 'arguments=ümläut' } })
    assert.equal(answer.status, 200)
    assert.equal(answer.body.toString(), '{\n    "task_id": null\n}')
    assert.equal(old.submissions.length, 0)
    const later = await start(t, { version: '2.0' })
    assert.equal(await create(later.url, { fields: { [field]: 'arguments=ümläut' } }), 1)
    assert.deepEqual(
      [...old.violations, ...later.violations].map(({ rule }) => rule),
      ['ascii', 'ascii'],
    )
  })
}

test('a boolean is true on 1.2 whatever it says, parsed on 2.0, and an empty one is a 500 there', async t => {
  const old = await start(t)
  await create(old.url, { fields: { memory: 'false', enforce_timeout: '0' } })
  assert.deepEqual([old.tasks.get(1)?.memory, old.tasks.get(1)?.enforceTimeout], [true, true])
  const later = await start(t, { version: '2.0' })
  await create(later.url, { fields: { memory: 'false', enforce_timeout: '1' } })
  assert.deepEqual([later.tasks.get(1)?.memory, later.tasks.get(1)?.enforceTimeout], [false, true])
  assert.equal((await upload(later.url, { fields: { memory: '' } })).status, 500)
  assert.deepEqual(
    [...old.violations, ...later.violations].map(({ rule }) => rule),
    ['boolean', 'boolean', 'boolean', 'boolean'],
  )
})

test('fields that a version does not know are ignored, and reported', async t => {
  const cuckoo = await start(t)
  await create(cuckoo.url, { fields: { owner: 'me', nosuch: '1', timeout: 'abc' } })
  assert.deepEqual(
    cuckoo.violations.map(({ rule }) => rule),
    ['form-field', 'form-field', 'integer'],
  )
})

test('a chunked upload works on 1.2, is an empty form on the version of 2015-11-30, and always a violation', async t => {
  for (const [version, status] of [
    ['1.2', 200],
    ['2.0-dev', 400],
    ['2.0', 200],
  ] as const) {
    const cuckoo = await start(t, { version })
    const answered = await new Promise<number | undefined>((resolve, reject) => {
      const upload = request(`${cuckoo.url}/tasks/create/file`, {
        method: 'POST',
        agent: false,
        headers: { ...FORM_TYPE, 'transfer-encoding': 'chunked' },
      })
      upload.on('response', response => resolve(response.resume().statusCode)).on('error', reject)
      upload.end(form({}))
    })
    assert.equal(answered, status, version)
    assert.deepEqual(
      cuckoo.violations.map(({ rule }) => rule),
      ['content-length'],
    )
  }
})

test('a form that ends early is refused and leaves no task', async t => {
  const cuckoo = await start(t)
  const whole = form({})
  const body = whole.subarray(0, whole.length - 20)
  const answer = await send(`${cuckoo.url}/tasks/create/file`, {
    method: 'POST',
    headers: { ...FORM_TYPE, 'content-length': String(body.length) },
    body,
  })
  assert.equal(answer.status, 500)
  assert.equal(cuckoo.submissions.length, 0)
})

test('of a large sample the hashes are those of the whole file, and one MiB is kept', async t => {
  const cuckoo = await start(t)
  const content = Buffer.alloc(5 * 2 ** 20, 'large sample ')
  const id = await create(cuckoo.url, { content })
  const { sample } = cuckoo.tasks.get(id) ?? assert.fail()
  assert.equal(sample.sha256, createHash('sha256').update(content).digest('hex'))
  assert.equal(sample.size, content.length)
  assert.equal(sample.head.length, 2 ** 20)
})
