import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, open, readdir, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  Bulkhead,
  createLogger,
  decodeTask,
  HoldLimitReached,
  Intake,
  later,
  type MessageHeaders,
  type Outcome,
  PermanentError,
  readHeaders,
  type StageContext,
} from '@cuckoo-distributed/core'
import { CritsServers } from '@cuckoo-distributed/crits-client'
import { CuckooServer } from '@cuckoo-distributed/sandbox-client'
import { type CuckooOptions, startCrits, startCuckoo, waitFor } from '@cuckoo-distributed/testing'
import { backOff } from '@cuckoo-distributed/wait'
import { Feeder, type FeederOptions } from '../src/feed.js'
import { Room } from '../src/room.js'
import { decodeSubmission } from '../src/submission.js'
import { Teller } from '../src/teller.js'

const never = new AbortController().signal
const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const content = randomBytes(200_000)
const md5 = createHash('md5').update(content).digest('hex')
const analysisId = '2f1c4a52-6f0e-4a53-9a3e-0d6a3c9a7b11'
const critsData = {
  analysis_id: analysisId,
  object_type: 'Sample',
  object_id: '56686f0e1d41c8731f5e8a01',
  username: 'alice',
  api_key: 'f00ba4',
  md5,
  source: 'Internal',
}

interface MessageChange {
  readonly payload?: object
  readonly file?: object
  readonly crits?: object
}

function message({ payload = {}, file, crits }: MessageChange = {}): Buffer {
  const sample = { name: 'a b.exe', data: content.toString('base64') }
  return Buffer.from(JSON.stringify({ payload, file: file ?? sample, crits_data: { ...critsData, ...crits } }))
}

async function setUp(t: TestContext, cuckooOptions: CuckooOptions = {}, options: Partial<FeederOptions> = {}) {
  const standIn = await startCuckoo({ analysisTime: Number.POSITIVE_INFINITY, ...cuckooOptions })
  const cuckoo = new CuckooServer({
    baseUrl: new URL(`${standIn.url}/`),
    verifySsl: true,
    maxConnections: 1,
    backOff: backOff({ initialMs: 5, maxMs: 20 }),
  })
  const crits = new CritsServers({ verifySsl: true })
  const stop = new AbortController()
  t.after(async () => {
    stop.abort()
    await Promise.all([cuckoo[Symbol.asyncDispose](), crits[Symbol.asyncDispose](), standIn.close()])
  })
  const room = new Room({
    status: signal => cuckoo.availability.patiently(signal, () => cuckoo.client.status(signal)),
    maxPending: 10,
    intake: new Intake(),
    log,
    stop: stop.signal,
    times: { askAgain: 5, askAgainMax: 5 },
  })
  const feeder = new Feeder({
    producerQueue: 'check',
    cuckoo,
    room,
    crits,
    teller: new Teller({ log, limitMs: 2000 }),
    bulkhead: new Bulkhead({ prefetch: 100, stop: stop.signal }),
    maxSampleSize: 2 ** 20,
    tmpDir: '',
    ...options,
  })
  return { standIn, feeder, cuckoo }
}

interface DeliveryChange {
  readonly redelivered?: boolean
  readonly waiting?: AbortSignal
  readonly headers?: MessageHeaders
}

function deliver(feeder: Feeder, body: Buffer, change: DeliveryChange = {}) {
  const headers = change.headers ?? readHeaders(undefined)
  const forever = new AbortController().signal
  const redelivered = change.redelivered ?? false
  const context: StageContext = {
    delivery: { queue: 'feed', body, redelivered, mayBeRepeat: redelivered },
    log,
    headers,
    waiting: change.waiting ?? forever,
    working: forever,
    describe: () => undefined,
    tell: () => undefined,
    markBegun: () => {
      headers.seen = true
    },
  }
  return { headers, outcome: feeder.handle(decodeSubmission(body), context) }
}

function taskOf(outcome: Outcome) {
  assert.equal(outcome.kind, 'forward')
  assert.ok(outcome.kind === 'forward')
  return { queue: outcome.queue, task: decodeTask(outcome.body) }
}

test('the upload arrives byte for byte, with its options and the analysis id as mark', async t => {
  const { standIn, feeder } = await setUp(t)
  const { outcome, headers } = deliver(feeder, message({ payload: { package: 'exe', timeout: 60 } }))
  const { queue, task } = taskOf(await outcome)
  assert.equal(queue, 'check')
  const [made] = standIn.submissions
  assert.equal(made?.sample.md5, md5)
  assert.equal(made?.sample.size, content.length)
  assert.deepEqual([made?.custom, made?.package, Number(made?.timeout)], [analysisId, 'exe', 60])
  assert.equal(task.taskId, made?.id)
  assert.equal(task.cuckooUrl, standIn.url)
  assert.deepEqual([task.crits.apiKey, task.crits.critsUrl, task.crits.source], ['f00ba4', '', 'Internal'])
  assert.equal(headers.seen, true)
  assert.deepEqual(standIn.violations, [])
})

test('a file without a name is uploaded under its MD5', async t => {
  const { standIn, feeder } = await setUp(t)
  await deliver(feeder, message({ file: { name: '', data: content.toString('base64') } })).outcome
  assert.equal(standIn.submissions[0]?.fileName, md5)
})

test('a redelivered message takes over the task it has made', async t => {
  const { standIn, feeder } = await setUp(t)
  const first = taskOf(await deliver(feeder, message()).outcome)
  const second = taskOf(await deliver(feeder, message(), { redelivered: true }).outcome)
  assert.deepEqual(second.task, first.task)
  assert.equal(standIn.submissions.length, 1)
})

test('a message that has failed before takes over the task it has made, in whatever queue it waited meanwhile', async t => {
  const { standIn, feeder } = await setUp(t)
  const first = taskOf(await deliver(feeder, message()).outcome)
  const again = deliver(feeder, message(), { headers: readHeaders({ 'x-attempts': 1 }) })
  assert.deepEqual(taskOf(await again.outcome).task, first.task)
  assert.equal(standIn.submissions.length, 1)
})

test('an upload that is refused may have made the task all the same: it is looked for', async t => {
  const { standIn, feeder } = await setUp(t)
  const first = taskOf(await deliver(feeder, message()).outcome)
  standIn.faults.next({ kind: 'status', status: 400, match: { path: '/tasks/create/file' } })
  assert.deepEqual(taskOf(await deliver(feeder, message()).outcome).task, first.task)
})

test('an answer that is lost makes no second task, although the lists were read just before', async t => {
  const { standIn, feeder } = await setUp(t)
  await deliver(feeder, message({ crits: { analysis_id: 'other' } }), { redelivered: true }).outcome
  standIn.faults.next({ kind: 'lostAfterStore', match: { path: '/tasks/create/file' } })
  const { task } = taskOf(await deliver(feeder, message()).outcome)
  assert.deepEqual([standIn.submissions.length, standIn.submissions[1]?.id], [2, task.taskId])
})

test('a redelivered message with a custom of its own does not take over the task of another file', async t => {
  const { standIn, feeder } = await setUp(t)
  const payload = { custom: 'shared' }
  const other = { file: { name: 'x', data: Buffer.from('other').toString('base64') }, crits: { md5: null }, payload }
  await deliver(feeder, message(other)).outcome
  await deliver(feeder, message({ payload }), { redelivered: true }).outcome
  assert.equal(standIn.submissions.length, 2)
  await deliver(feeder, message({ payload }), { redelivered: true }).outcome
  assert.equal(standIn.submissions.length, 2)
})

test('an answer that is lost after the upload makes no second task', async t => {
  const { standIn, feeder } = await setUp(t)
  standIn.faults.next({ kind: 'lostAfterStore', match: { path: '/tasks/create/file' } })
  const { task } = taskOf(await deliver(feeder, message()).outcome)
  assert.equal(standIn.submissions.length, 1)
  assert.equal(task.taskId, standIn.submissions[0]?.id)
})

test('an upload that was cut is made again', async t => {
  const { standIn, feeder } = await setUp(t)
  standIn.faults.next({ kind: 'resetMidUpload', match: { path: '/tasks/create/file' } })
  taskOf(await deliver(feeder, message()).outcome)
  assert.equal(standIn.submissions.length, 1)
})

test('an upload that is cut each time fails in the end', async t => {
  const { standIn, feeder } = await setUp(t)
  standIn.faults.next({ kind: 'resetMidUpload', match: { path: '/tasks/create/file' }, times: 100 })
  await assert.rejects(deliver(feeder, message()).outcome, { code: 'CUCKOO_UNKNOWN_OUTCOME' })
  assert.equal(standIn.submissions.length, 0)
})

for (const kind of ['nullTask', 'status'] as const) {
  test(`an upload that is refused (${kind}) fails, and the next try uploads again`, async t => {
    const { standIn, feeder } = await setUp(t)
    standIn.faults.next({ kind, status: 400, match: { path: '/tasks/create/file' } })
    await assert.rejects(deliver(feeder, message()).outcome, { code: 'CUCKOO_TASK_REFUSED' })
    taskOf(await deliver(feeder, message(), { redelivered: true }).outcome)
    assert.equal(standIn.submissions.length, 1)
  })
}

test('status 500 to an upload fails after a second try and looking for the task', async t => {
  const { standIn, feeder } = await setUp(t)
  standIn.faults.next({ kind: 'status', status: 500, match: { path: '/tasks/create/file' }, times: 2 })
  await assert.rejects(deliver(feeder, message()).outcome, { code: 'CUCKOO_UNKNOWN_OUTCOME' })
  assert.equal(standIn.faults.pending, 0)
  const last = standIn.journal.map(({ path }) => path).slice(-2)
  assert.ok(last.some(path => path.startsWith('/tasks/list?status=reported')))
})

for (const status of [429, 503]) {
  test(`after status ${status} to an upload Cuckoo is asked for its status before the next one`, async t => {
    const { standIn, feeder } = await setUp(t)
    standIn.faults.next({ kind: 'status', status, match: { path: '/tasks/create/file' } })
    taskOf(await deliver(feeder, message()).outcome)
    const paths = standIn.journal.map(({ path }) => path)
    const between = paths.slice(paths.indexOf('/tasks/create/file') + 1, paths.lastIndexOf('/tasks/create/file'))
    // One by the probe that ends the outage, one for the room.
    assert.ok(between.filter(path => path === '/cuckoo/status').length >= 2)
    assert.equal(standIn.submissions.length, 1)
  })
}

test('however often Cuckoo asks for patience, that is no failure of the message', async t => {
  const { standIn, feeder } = await setUp(t)
  standIn.faults.next({ kind: 'status', status: 429, match: { path: '/tasks/create/file' }, times: 4 })
  taskOf(await deliver(feeder, message()).outcome)
  assert.equal(standIn.submissions.length, 1)
})

test('a status that is answered with 503 is waited for', async t => {
  const { standIn, feeder } = await setUp(t)
  standIn.faults.next({ kind: 'status', status: 503, match: { path: '/cuckoo/status' } })
  taskOf(await deliver(feeder, message()).outcome)
  assert.equal(standIn.submissions.length, 1)
})

test('a Cuckoo that is down is waited for', async t => {
  const { standIn, feeder } = await setUp(t)
  await standIn.down()
  const { outcome } = deliver(feeder, message())
  await assert.rejects(fetch(`${standIn.url}/cuckoo/status`))
  await standIn.up()
  taskOf(await outcome)
  assert.equal(standIn.submissions.length, 1)
})

test('HoldLimit ends the wait for a Cuckoo that stays down', async t => {
  const { standIn, feeder } = await setUp(t)
  await standIn.down()
  const waiting = new AbortController()
  const { outcome, headers } = deliver(feeder, message(), { waiting: waiting.signal })
  waiting.abort(new HoldLimitReached())
  await assert.rejects(outcome, HoldLimitReached)
  assert.equal(headers.seen, false)
})

test('a sample with another MD5 than the message says is a permanent failure', async t => {
  const { standIn, feeder } = await setUp(t)
  const { outcome } = deliver(feeder, message({ crits: { md5: '0'.repeat(32) } }))
  await assert.rejects(outcome, error => error instanceof PermanentError && error.code === 'SAMPLE_MD5')
  assert.equal(standIn.submissions.length, 0)
})

test('a CRITs that is not allowed is a permanent failure', async t => {
  const crits = new CritsServers({ verifySsl: true, allowedUrls: ['https://crits.example'] })
  const { feeder } = await setUp(t, {}, { crits })
  const { outcome } = deliver(feeder, message({ crits: { crits_url: 'https://evil.example' } }))
  await assert.rejects(outcome, { code: 'URL_NOT_ALLOWED', permanent: true })
})

async function withCrits(t: TestContext, options: Partial<FeederOptions> = {}) {
  const crits = await startCrits()
  t.after(() => crits.close())
  const tmpDir = await mkdtemp(join(tmpdir(), 'feed-test-'))
  t.after(() => rm(tmpDir, { recursive: true }))
  const servers = new CritsServers({ verifySsl: true, defaultUrl: crits.url })
  t.after(() => servers[Symbol.asyncDispose]())
  const sample = crits.addSample({ bytes: content })
  crits.startAnalysis({ objectId: sample.id, id: analysisId })
  const [user] = crits.users
  const change = { object_id: sample.id, username: user?.name, api_key: user?.keys[0] }
  const all = await setUp(t, {}, { crits: servers, tmpDir, ...options })
  const told = () => crits.analyses.get(analysisId)?.log.map(({ message }) => message) ?? []
  const read = () => crits.journal.filter(({ path }) => path.startsWith('/api/v1/samples/')).length
  return {
    ...all,
    crits,
    tmpDir,
    told,
    read,
    /** A message whose sample is in CRITs. */
    body: (more = {}) => message({ file: { name: 'n' }, crits: { ...change, ...more } }),
    /** A message with its sample. */
    full: (more = {}) => message({ crits: { ...change, ...more } }),
  }
}

test('a sample that is not in the message is read from CRITs', async t => {
  const { standIn, feeder, crits, tmpDir, body } = await withCrits(t)
  const { task } = taskOf(await deliver(feeder, body()).outcome)
  assert.equal(standIn.submissions[0]?.sample.md5, md5)
  assert.equal(task.crits.critsUrl, crits.url)
  assert.deepEqual(await readdir(tmpDir), [])
  assert.deepEqual(crits.violations, [])
})

test('a CRITs that is down is waited for', async t => {
  const { standIn, feeder, crits, body } = await withCrits(t)
  await crits.down()
  const { outcome } = deliver(feeder, body())
  await assert.rejects(fetch(crits.url))
  await crits.up()
  taskOf(await outcome)
  assert.equal(standIn.submissions.length, 1)
})

test('a sample that was read from CRITs is uploaded again when the first upload broke in the middle', async t => {
  const { standIn, feeder, body } = await withCrits(t)
  standIn.faults.next({ kind: 'resetMidUpload', afterBytes: 70_000, match: { path: '/tasks/create/file' } })
  const { task } = taskOf(await deliver(feeder, body()).outcome)
  assert.equal(standIn.tasks.get(task.taskId)?.sample.md5, md5)
})

const refusals: readonly (readonly [code: string, change: object, options: Partial<FeederOptions>])[] = [
  ['SAMPLE_MD5', { md5: '0'.repeat(32) }, {}],
  ['SAMPLE_NOT_FOUND', { object_id: '0'.repeat(24) }, {}],
  ['SAMPLE_TOO_LARGE', {}, { maxSampleSize: 199_999 }],
]
for (const [code, change, options] of refusals) {
  test(`${code} is a permanent failure that leaves nothing behind`, async t => {
    const { standIn, feeder, tmpDir, body } = await withCrits(t, options)
    await assert.rejects(
      deliver(feeder, body(change)).outcome,
      error => error instanceof PermanentError && error.code === code,
    )
    assert.equal(standIn.submissions.length, 0)
    assert.deepEqual(await readdir(tmpDir), [])
  })
}

test('a sample in CRITs is read once there is room in Cuckoo, and not before', async t => {
  const { standIn, feeder, read, body } = await withCrits(t)
  // Two of them run, and ten are pending.
  const others = Array.from({ length: 12 }, (_, i) => {
    return deliver(feeder, message({ crits: { analysis_id: `analysis ${i}`, crits_url: 'http://127.0.0.1:1' } }))
      .outcome
  })
  const asked = () => standIn.journal.filter(entry => entry.path.endsWith('/cuckoo/status')).length
  await waitFor(() => standIn.submissions.length === 12, { describe: 'a full Cuckoo' })
  const before = asked()
  const { outcome } = deliver(feeder, body())
  await waitFor(() => asked() > before + 1, { describe: 'Cuckoo to be asked for room' })
  assert.equal(read(), 0)
  for (const { id } of [...standIn.tasks.values()]) standIn.move(id, 'reported')
  taskOf(await outcome)
  assert.equal(read(), 1)
  await Promise.all(others)
})

test('a sample that CRITs did not give because it went away is asked for again, and no place is held meanwhile', async t => {
  const { standIn, feeder, crits, read, body } = await withCrits(t)
  crits.faults.next({ kind: 'refuse', match: { method: 'GET', path: /samples/ } })
  crits.faults.next({ kind: 'refuse', match: { method: 'POST', nth: 2 } })
  taskOf(await deliver(feeder, body()).outcome)
  assert.equal(read(), 2)
  assert.equal(crits.faults.pending, 0)
  assert.equal(standIn.submissions[0]?.sample.md5, md5)
})

test('a message that has its task already is passed on without its sample', async t => {
  const { standIn, feeder, read, body } = await withCrits(t)
  const { task } = taskOf(await deliver(feeder, body()).outcome)
  const again = taskOf(await deliver(feeder, body(), { redelivered: true }).outcome)
  assert.equal(again.task.taskId, task.taskId)
  assert.equal(standIn.submissions.length, 1)
  assert.equal(read(), 1)
})

test('a full TmpDir is waited for, and counts as no failure', async t => {
  const { feeder, standIn, tmpDir, body } = await withCrits(t)
  const probe = await open(join(tmpDir, 'probe'), 'w')
  await probe.close()
  await unlink(join(tmpDir, 'probe'))
  t.mock.method(Object.getPrototypeOf(probe), 'write', () =>
    Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })),
  )
  const warnings = t.mock.method(log, 'warn', () => undefined).mock
  const stop = new AbortController()
  const { outcome, headers } = deliver(feeder, body(), { waiting: stop.signal })
  await waitFor(() => warnings.callCount() > 0, { describe: 'the message to wait' })
  stop.abort(new HoldLimitReached())
  assert.deepEqual(await outcome, later())
  assert.equal(headers.attempts, 0)
  assert.equal(standIn.submissions.length, 0)
})

test('CRITs is told of the message before the upload, and of the task', async t => {
  const { standIn, feeder, told, full } = await withCrits(t)
  standIn.faults.next({ kind: 'status', status: 503, match: { path: '/tasks/create/file' } })
  await deliver(feeder, full()).outcome
  assert.deepEqual(told(), ['received by feed_cuckoo', 'submitted as Cuckoo task 1'])
})

test('a message that was told of is not told of again, and one that was passed on before only of its task', async t => {
  const { feeder, told, full } = await withCrits(t)
  const context = { headers: readHeaders({ 'x-since': '{"toldAt": 1}' }) }
  await deliver(feeder, full(), context).outcome
  await deliver(feeder, full(), { redelivered: true }).outcome
  assert.deepEqual(told(), ['submitted as Cuckoo task 1', 'submitted as Cuckoo task 1'])
})

test('a refused key stops a message before Cuckoo has it, for a cause that others share', async t => {
  const { standIn, feeder, full } = await withCrits(t)
  await assert.rejects(deliver(feeder, full({ api_key: 'wrong' })).outcome, { code: 'CRITS_AUTH', sharedCause: true })
  assert.equal(standIn.submissions.length, 0)
})

test('a deleted analysis stops a message before Cuckoo has it', async t => {
  const { standIn, feeder, crits, full } = await withCrits(t)
  crits.deleteAnalysis(analysisId)
  await assert.rejects(deliver(feeder, full()).outcome, { code: 'CRITS_ANALYSIS_GONE', permanent: true })
  assert.equal(standIn.submissions.length, 0)
})

for (const [name, fault] of [
  ['refuses', { kind: 'refuse' }],
  ['hangs', { kind: 'hang' }],
  ['answers 500', { kind: 'status', status: 500 }],
  ['answers 404', { kind: 'status', status: 404 }],
] as const) {
  test(`a CRITs that ${name} stops nothing, and is not waited for again`, async t => {
    const { standIn, feeder, crits, full } = await withCrits(t)
    crits.faults.next({ ...fault, times: Number.POSITIVE_INFINITY })
    for (let i = 1; i <= 5; i += 1) taskOf(await deliver(feeder, full({ analysis_id: `analysis ${i}` })).outcome)
    assert.equal(standIn.submissions.length, 5)
    assert.equal(crits.journal.length, 1)
  })
}

test('what cannot be told after the upload does not keep the task from being passed on', async t => {
  const { standIn, feeder, crits, full } = await withCrits(t)
  crits.faults.next({ kind: 'status', status: 401, match: { nth: 2 } })
  taskOf(await deliver(feeder, full()).outcome)
  assert.equal(standIn.submissions.length, 1)
  assert.equal(crits.faults.pending, 0)
})

test('a CRITs that is away keeps half the messages waiting for their samples, and none of another CRITs', async t => {
  const { standIn, feeder, body, crits } = await withCrits(t, { bulkhead: new Bulkhead({ prefetch: 4, stop: never }) })
  const other = await startCrits()
  t.after(() => other.close())
  await other.down()
  const stop = new AbortController()
  const change = { crits_url: other.url }
  const held = [1, 2, 3, 4].map(i => {
    return deliver(feeder, body({ ...change, analysis_id: `analysis ${i}` }), { waiting: stop.signal }).outcome
  })
  assert.deepEqual(await Promise.all(held.slice(2)), [later(), later()])
  taskOf(await deliver(feeder, body()).outcome)
  assert.equal(standIn.submissions.length, 1)
  assert.deepEqual(crits.violations, [])
  stop.abort(new HoldLimitReached())
  for (const outcome of held.slice(0, 2)) await assert.rejects(outcome, HoldLimitReached)
})

test('a token that Cuckoo refuses is told at once, before the sample leaves', async t => {
  const { standIn, feeder } = await setUp(t, { version: '2.0', apiToken: 'secret' })
  const refused = { code: 'CUCKOO_TOKEN_REFUSED', sharedCause: true }
  await assert.rejects(deliver(feeder, message()).outcome, refused)
  await assert.rejects(deliver(feeder, message(), { redelivered: true }).outcome, refused)
  assert.deepEqual(
    standIn.journal.filter(({ method }) => method === 'POST'),
    [],
  )
})

test('redelivered messages share the reading of the lists', async t => {
  const { standIn, feeder } = await setUp(t, { singleThreaded: false })
  const outcomes = Array.from({ length: 8 }, (_, i) => {
    return deliver(feeder, message({ crits: { analysis_id: `analysis ${i}` } }), { redelivered: true }).outcome
  })
  await Promise.all(outcomes)
  const lists = standIn.journal.filter(({ path }) => path.startsWith('/tasks/list')).length
  assert.equal(standIn.submissions.length, 8)
  assert.ok(lists <= 12, `${lists} lists for 8 messages`)
})

test('with 20 messages in hand no more tasks are pending than MaxPending', async t => {
  const { standIn, feeder } = await setUp(t, { machines: 1 })
  const outcomes = Array.from({ length: 20 }, (_, i) => {
    return deliver(feeder, message({ crits: { analysis_id: `analysis ${i}` } })).outcome
  })
  const pending = () => [...standIn.tasks.values()].filter(({ status }) => status === 'pending')
  let most = 0
  await waitFor(
    () => {
      most = Math.max(most, pending().length)
      const done = standIn.submissions.length === 20
      const running = [...standIn.tasks.values()].find(({ status }) => status === 'running')
      if (running && pending().length === 10) standIn.move(running.id, 'reported')
      return done
    },
    { describe: '20 tasks', everyMs: 5 },
  )
  assert.equal((await Promise.all(outcomes)).length, 20)
  assert.equal(most, 10)
})
