// Whatever a Cuckoo answers: a result of the promised types, or one of the errors that callers know.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { HttpError } from '@cuckoo-distributed/http'
import { type Damage, damagedJson, fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import {
  CuckooClient,
  serverTime,
  TaskRefusedError,
  type TaskSummary,
  UnexpectedAnswerError,
  UnknownOutcomeError,
} from '../src/index.js'

const { signal } = new AbortController()

const task = {
  id: 31,
  status: 'reported',
  custom: 'c-1',
  completed_on: '2026-11-21 18:43:49',
  errors: ['The analysis hit the critical timeout'],
  guest: { id: 31, started_on: '2026-11-21 18:43:49' },
  sample: { id: 4, md5: '0a34e70d416e3c0fb0e7bfbb6758ce31', sha256: '3a60b8d7', ssdeep: null },
}
const tasks = { reported: 23, completed: 1, total: 25, running: 1, pending: 0 }

type Call = (client: CuckooClient) => Promise<unknown>

/** Each call, what Cuckoo answers to it in earnest, and a check of what the client makes of an answer. */
const CALLS: Readonly<Record<string, { call: Call; genuine: object; check: (result: never) => void }>> = {
  status: {
    call: client => client.status(signal),
    genuine: { version: '2.0.7', tasks, machines: { total: 2 }, diskspace: { analyses: { free: 1, total: 2 } } },
    check: (status: Record<string, unknown>) => {
      for (const name of Object.keys(tasks)) assert.ok(Number.isFinite(status[name]), name)
      assert.equal(typeof status.tasksKnown, 'boolean')
      assert.ok(status.freeBytes === undefined || Number.isFinite(status.freeBytes))
    },
  },
  listTasks: {
    call: client => client.listTasks({}, signal),
    genuine: { tasks: [task, { ...task, id: 32, sample: null }] },
    check: (list: TaskSummary[]) => list.forEach(checkTask),
  },
  viewTask: {
    call: client => client.viewTask(31, signal),
    genuine: { task },
    check: (view: TaskSummary | undefined) => view && checkTask(view),
  },
  listMachines: {
    call: client => client.listMachines(signal),
    genuine: { machines: [{ name: 'vm1', platform: 'windows', tags: ['x86'], status: null }] },
    check: (machines: { name: string; platform: string; tags: string[] }[]) => {
      const texts = machines.flatMap(({ name, platform, tags }) => [name, platform, ...tags])
      assert.ok(texts.every(isText))
    },
  },
  createTask: {
    call: client => client.createTask({ name: 'a', size: 1, options: {}, open: () => oneByte() }, signal),
    genuine: { task_id: 31, task_ids: [31] },
    check: ({ id }: { id: number }) => assert.ok(isId(id)),
  },
  deleteTask: {
    call: client => client.deleteTask(31, signal),
    genuine: { status: 'OK' },
    check: (outcome: string) => assert.ok(['deleted', 'gone', 'busy'].includes(outcome)),
  },
}

const isId = (value: unknown) => Number.isSafeInteger(value) && Number(value) > 0
const isText = (value: unknown) => typeof value === 'string'

function checkTask({ id, status, custom, completedOn = '', md5 = '', sha256 = '', errors }: TaskSummary): void {
  assert.ok(isId(id))
  assert.ok([status, custom, completedOn, md5, sha256, ...errors].every(isText))
}

async function* oneByte() {
  yield Buffer.from('M')
}

const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 3 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
  cut: fc.option(fc.nat(), { freq: 3 }),
})
const status = fc.oneof({ weight: 6, arbitrary: fc.constant(200) }, fc.constantFrom(201, 301, 400, 404, 429, 500, 503))
const type = fc.constantFrom('application/json', 'text/html')
const stray = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array)),
  fc.json().map(text => Buffer.from(text)),
)

/** A Cuckoo that answers what it is told, and a client for it. */
async function startServer(t: TestContext) {
  let next: { status: number; type: string; body: Buffer }
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(next.status, { 'content-type': next.type }).end(next.body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const client = new CuckooClient({
    baseUrl: new URL(`http://127.0.0.1:${address.port}`),
    verifySsl: true,
    maxConnections: 1,
  })
  t.after(async () => {
    await client[Symbol.asyncDispose]()
    server.close()
  })
  const tell = (answer: typeof next) => {
    next = answer
  }
  return { client, tell }
}

const KNOWN = [HttpError, UnexpectedAnswerError, TaskRefusedError, UnknownOutcomeError]

for (const [name, { call, genuine, check }] of Object.entries(CALLS)) {
  test(`${name}: any answer gives a result of the right types, or an error that is known, short and on one line`, async t => {
    const { client, tell } = await startServer(t)
    const body = fc.oneof({ weight: 4, arbitrary: damage.map(done => damagedJson(genuine, done)) }, stray)
    const property = fc.asyncProperty(status, type, body, async (code, contentType, bytes) => {
      tell({ status: code, type: contentType, body: bytes })
      let result: unknown
      try {
        result = await call(client)
      } catch (error: unknown) {
        assert.ok(error instanceof Error && KNOWN.some(known => error instanceof known), String(error))
        assert.ok(error.message.length < 1000 && !/\p{Cc}/u.test(error.message), error.message)
        return
      }
      check(result as never)
    })
    await fc.assert(property, fuzzing(t, 100))
  })
}

test('any text of a date is a time or none', t => {
  const near = fc.tuple(fc.nat(), fc.string({ maxLength: 2, unit: 'binary' })).map(([at, put]) => {
    const date = at % 2 === 0 ? '2026-11-21 18:43:49' : 'Sat, 21 Nov 2026 18:43:49 GMT'
    return date.slice(0, at % date.length) + put + date.slice((at % date.length) + 1)
  })
  const property = fc.property(fc.oneof(near, fc.string({ unit: 'binary' })), date => {
    const time = serverTime(date)
    assert.ok(time === undefined || Number.isSafeInteger(time))
  })
  fc.assert(property, fuzzing(t, 100))
})
