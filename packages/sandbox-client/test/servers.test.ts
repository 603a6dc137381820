/** Which server gets which token. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { startCuckoo } from '@cuckoo-distributed/testing'
import { backOff } from '@cuckoo-distributed/wait'
import { CuckooAwayLimit, CuckooServer, CuckooServers } from '../src/index.js'
import { stub } from './stub.js'

const { signal } = new AbortController()

test('an API token goes to the server that it is for, and to no other', async t => {
  const guarded = await startCuckoo({ version: '2.0', apiToken: 'abc' })
  t.after(() => guarded.close())
  const shown: (string | undefined)[] = []
  const other = createServer((request, response) => {
    shown.push(request.headers.authorization)
    response.setHeader('content-type', 'application/json').end('{"machines": []}')
  })
  await once(other.listen(0, '127.0.0.1'), 'listening')
  t.after(() => other.close())
  const address = other.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const apiTokens = { 'http://elsewhere.invalid': 'def', [`${guarded.url}/`]: 'abc' }
  await using servers = new CuckooServers({ verifySsl: true, maxConnections: 1, apiTokens })

  assert.equal((await servers.at(new URL(guarded.url)).client.status(signal)).version, '2.0.7')
  await servers.at(new URL(`http://127.0.0.1:${port}`), 'cuckoo').client.listMachines(signal)
  assert.deepEqual(shown, [undefined])
})

const none = { body: { version: '1.2', tasks: { pending: 0 }, machines: { total: 0 } } }
const some = { body: { version: '1.2', tasks: { pending: 1 } } }

function serverAt(url: string) {
  return new CuckooServer({
    baseUrl: new URL(url),
    kind: 'cuckoo',
    verifySsl: true,
    maxConnections: 1,
    backOff: backOff({ initialMs: 1, maxMs: 1 }),
  })
}

test('a Cuckoo whose counters cannot be believed is away: its failures are not those of a task', async t => {
  const { url, received } = await stub(t, { status: 500 }, none, none, some, { body: { tasks: [] } })
  await using server = serverAt(url)
  assert.deepEqual(await server.patient.listTasks({}, signal), [])
  assert.deepEqual(
    received.map(({ line }) => line),
    ['GET /tasks/list', 'GET /cuckoo/status', 'GET /cuckoo/status', 'GET /cuckoo/status', 'GET /tasks/list'],
  )
})

test('a Cuckoo that answers is not away: a task that fails each time is at fault itself', async t => {
  const { url } = await stub(t, { status: 500 }, some, { status: 500 }, some)
  await using server = serverAt(url)
  await assert.rejects(server.patient.viewTask(3, signal), { code: 'HTTP_STATUS', status: 500 })
  assert.equal(server.availability.isDown, false)
})

test('a refused token is told at once, and is no outage', async t => {
  const { url, received } = await stub(t, { status: 401 })
  await using server = serverAt(url)
  await assert.rejects(server.patient.status(signal), { code: 'CUCKOO_TOKEN_REFUSED' })
  assert.equal(server.availability.isDown, false)
  assert.equal(received.length, 1)
})

test('the JSON of another API is an answer', async t => {
  const { url } = await stub(t, { status: 503 }, { body: {} }, { status: 503 }, { body: {} })
  await using server = serverAt(url)
  await assert.rejects(server.patient.viewTask(3, signal), { status: 503 })
})

test('a Cuckoo may be away for a week', () => {
  assert.equal(Object(CuckooAwayLimit).default, 7 * 24 * 3600)
})
