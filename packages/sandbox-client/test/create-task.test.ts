import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { CuckooClient, type NewTask, TaskRefusedError, UnknownOutcomeError } from '../src/index.js'
import { type Answer, bottlePage, flaskPage, stub } from './stub.js'

const { signal } = new AbortController()

function sample(overrides: Partial<NewTask> = {}): NewTask {
  return {
    name: 'näme.exe',
    size: 8,
    async *open() {
      yield Buffer.from('MZ-')
      yield Buffer.from('bytes')
    },
    options: {},
    ...overrides,
  }
}

test('an upload sends the file and the options that mean something', async t => {
  const { client, received } = await stub(t, { body: { task_id: 29 } })
  let begun = 0
  const options = { custom: 'c-1', timeout: '60', machine: '', memory: 'False', enforce_timeout: 'yes', package: 'no' }
  const onBegun = () => {
    begun += 1
  }
  assert.equal((await client.createTask(sample({ options, onBegun }), signal)).id, 29)
  assert.equal(begun, 1)
  assert.equal(received.length, 1)
  const { line, form } = received[0] ?? {}
  assert.equal(line, 'POST /tasks/create/file')
  const part = form?.get('file')
  assert.ok(part instanceof File)
  assert.deepEqual([part.name, await part.text()], ['näme.exe', 'MZ-bytes'])
  form?.delete('file')
  const fields = Object.fromEntries(form ?? [])
  assert.deepEqual(fields, { custom: 'c-1', timeout: '60', enforce_timeout: 'yes', package: 'no' })
})

describe('an upload is refused', () => {
  const refusals: readonly [string, Answer][] = [
    ['a task that could not be stored', { body: { task_id: null } }],
    ['no task at all', { body: { task_ids: [], errors: ['no'] } }],
    ['400', flaskPage(400, 'Bad Request')],
    ['404', bottlePage('404 Not Found', 'Not found')],
    ['413 of a proxy', { status: 413, type: 'text/html', body: '<h1>Request Entity Too Large</h1>' }],
    ['a redirect', { status: 302 }],
  ]
  for (const [name, answer] of refusals) {
    test(`by ${name}`, async t => {
      const { client, received } = await stub(t, answer)
      await assert.rejects(client.createTask(sample(), signal), TaskRefusedError)
      assert.equal(received.length, 1)
    })
  }
})

test('what was answered is shown, up to a point', async t => {
  const { client } = await stub(
    t,
    { body: { task_id: null, why: 'disk' } },
    { body: { task_ids: [], errors: Array.from({ length: 50 }, () => 'x'.repeat(1000)) } },
    { status: 400, body: { message: 'This file has already been submitted' } },
    { body: { task_id: 'seven' } },
  )
  const failure = () =>
    client.createTask(sample(), signal).then(
      () => assert.fail('a task was made'),
      ({ message }: Error) => message,
    )
  assert.match(await failure(), /it answered \{ task_id: null, why: 'disk' \}$/)
  const long = await failure()
  assert.match(long, /it answered \{ task_ids: \[\], errors: \[ 'x+/)
  assert.ok(long.length < 300)
  assert.match(await failure(), /400: .*This file has already been submitted/)
  assert.match(await failure(), /\{ task_id: 'seven' \}/)
})

test('an answer of 200 characters is shown whole', async t => {
  const answer = { task_id: null, a: 'x'.repeat(90), b: 'y'.repeat(79) }
  const { client } = await stub(t, { body: answer }, { body: { ...answer, b: 'y'.repeat(80) } })
  await assert.rejects(client.createTask(sample(), signal), { message: /'y{79}' \}$/ })
  await assert.rejects(client.createTask(sample(), signal), { message: /'y{80}' …$/ })
})

test('an unknown outcome has the fault of what went wrong', async t => {
  const { client } = await stub(t, { status: 503 }, { body: {} })
  await assert.rejects(client.createTask(sample(), signal), { code: 'CUCKOO_UNKNOWN_OUTCOME', fault: 'doubtful' })
  await assert.rejects(client.createTask(sample(), signal), { code: 'CUCKOO_UNKNOWN_OUTCOME', fault: 'own' })
})

for (const status of [401, 403]) {
  test(`${status} is no refusal of the task: it lies in the place`, async t => {
    const { client } = await stub(t, { status }, { status })
    const refused = { code: 'CUCKOO_TOKEN_REFUSED', sharedCause: true, status, message: /"CuckooTokens"/ }
    await assert.rejects(client.createTask(sample(), signal), refused)
    await assert.rejects(client.status(signal), refused)
  })
}

describe('it is unknown whether a task was made', () => {
  const unknown: readonly [string, Answer][] = [
    ['500', bottlePage('500 Internal Server Error', 'Internal Server Error')],
    ['502 of a proxy', { status: 502 }],
    ['503', { status: 503 }],
    ['504 of a proxy', { status: 504 }],
    ['a reset', { cut: true }],
    ['a page instead of an answer', { type: 'text/html', body: '<h1>Please log in</h1>' }],
    ['the id 0', { body: { task_id: 0 } }],
    ['a negative id', { body: { task_id: -1 } }],
    ['a fraction as id', { body: { task_id: 1.5 } }],
    ['a text as id', { body: { task_id: '7' } }],
    ['no id', { body: {} }],
    ['an empty list', { body: [] }],
  ]
  for (const [name, answer] of unknown) {
    test(`after ${name}`, async t => {
      const { client, received } = await stub(t, answer)
      await assert.rejects(client.createTask(sample(), signal), UnknownOutcomeError)
      assert.equal(received.length, 1, 'nothing is sent again')
    })
  }
})

describe('an upload was not received', () => {
  test('when the connection is refused', async t => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    assert.ok(address !== null && typeof address === 'object')
    server.close()
    await once(server, 'close')
    const baseUrl = `http://127.0.0.1:${address.port}`
    const client = new CuckooClient({ baseUrl: new URL(baseUrl), verifySsl: true, maxConnections: 1 })
    t.after(() => client[Symbol.asyncDispose]())
    const onBegun = () => assert.fail('the body was begun')
    const uploading = client.createTask(sample({ onBegun }), signal)
    await assert.rejects(uploading, { code: 'HTTP_NETWORK', bodyBegun: false })
  })

  test('when there are too many requests', async t => {
    const { client } = await stub(t, { status: 429 })
    await assert.rejects(client.createTask(sample(), signal), { code: 'HTTP_STATUS', status: 429 })
  })
})

test('an error of the sample, and an abort, are thrown as they are', async t => {
  const { client } = await stub(t)
  const failure = new Error('disk is gone')
  const broken = sample({
    async *open() {
      yield Buffer.from('MZ')
      throw failure
    },
  })
  await assert.rejects(client.createTask(broken, signal), (error: unknown) => error === failure)
  const controller = new AbortController()
  const stopping = sample({ onBegun: () => controller.abort(failure) })
  await assert.rejects(client.createTask(stopping, controller.signal), (error: unknown) => error === failure)
})
