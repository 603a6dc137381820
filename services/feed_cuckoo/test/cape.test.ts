import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { Bulkhead, createLogger, decodeTask, Intake, readHeaders, type StageContext } from '@cuckoo-distributed/core'
import { CritsServers } from '@cuckoo-distributed/crits-client'
import { CuckooServer, type CuckooServerOptions } from '@cuckoo-distributed/sandbox-client'
import { type CapeOptions, startCape } from '@cuckoo-distributed/testing'
import { backOff } from '@cuckoo-distributed/wait'
import { Feeder } from '../src/feed.js'
import { Room } from '../src/room.js'
import { decodeSubmission } from '../src/submission.js'
import { Teller } from '../src/teller.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const content = Buffer.from('MZ of a sample')
const hashOf = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')
const md5 = hashOf(content)

async function setUp(t: TestContext, options: CapeOptions = {}, client: Partial<CuckooServerOptions> = {}) {
  const cape = await startCape({ idle: true, ...options })
  const cuckoo = new CuckooServer({
    baseUrl: new URL(cape.url),
    verifySsl: true,
    maxConnections: 1,
    backOff: backOff({ initialMs: 5, maxMs: 20 }),
    ...client,
  })
  const crits = new CritsServers({ verifySsl: true })
  const stop = new AbortController()
  t.after(async () => {
    stop.abort()
    await Promise.all([cuckoo[Symbol.asyncDispose](), crits[Symbol.asyncDispose](), cape.close()])
  })
  const status = (signal: AbortSignal) => cuckoo.patient.status(signal)
  const room = new Room({ status, maxPending: 10, intake: new Intake(), log, stop: stop.signal })
  const feeder = new Feeder({
    producerQueue: 'check',
    ...{ cuckoo, room, crits },
    teller: new Teller({ log, limitMs: 2000 }),
    bulkhead: new Bulkhead({ prefetch: 100, stop: stop.signal }),
    maxSampleSize: 2 ** 20,
    tmpDir: '',
  })
  return {
    cape,
    feed: (payload = {}, name = 'a.exe', repeat = false, bytes = content) =>
      feed(feeder, payload, { name, bytes }, repeat),
  }
}

async function feed(
  feeder: Feeder,
  payload: object,
  { name, bytes }: { readonly name: string; readonly bytes: Buffer },
  redelivered: boolean,
) {
  const user = { object_type: 'Sample', object_id: '56686f0e1d41c8731f5e8a01', username: 'alice', api_key: 'f00ba4' }
  const crits = { analysis_id: 'analysis-1', ...user, md5: hashOf(bytes), source: 'Internal' }
  const file = { name, data: bytes.toString('base64') }
  const body = Buffer.from(JSON.stringify({ payload, file, crits_data: crits }))
  const { signal } = new AbortController()
  const context: StageContext = {
    delivery: { queue: 'feed', body, redelivered, mayBeRepeat: redelivered },
    log,
    headers: readHeaders(undefined),
    waiting: signal,
    working: signal,
    describe: () => undefined,
    tell: () => undefined,
    markBegun: () => undefined,
  }
  const outcome = await feeder.handle(decodeSubmission(body), context)
  return outcome.kind === 'forward' ? decodeTask(outcome.body) : assert.fail(outcome.kind)
}

test('the message says that it is a CAPE, and which tasks there are', async t => {
  const { cape, feed } = await setUp(t, { tasksPerUpload: () => 2 })
  const task = await feed({ package: 'exe', owner: 'me' })
  assert.deepEqual([task.sandbox, task.taskId, task.others], ['cape', 1, [2]])
  assert.equal(task.cuckooUrl, cape.url)
  assert.equal(cape.submissions[0]?.custom, 'analysis-1')
  assert.deepEqual(cape.violations, [])
})

test('after a redelivery the task is found by the search, with no list and no second upload', async t => {
  const { cape, feed } = await setUp(t)
  const first = await feed()
  const second = await feed({}, 'a.exe', true)
  assert.deepEqual([second.taskId, cape.submissions.length], [first.taskId, 1])
  assert.equal(cape.journal.filter(({ path }) => path.includes('/search/md5/')).length, 1)
})

test('an upload whose answer is lost is found by the search', async t => {
  const { cape, feed } = await setUp(t)
  cape.faults.next({ kind: 'lostAfterStore', match: { method: 'POST' } })
  assert.equal((await feed()).taskId, 1)
  assert.equal(cape.submissions.length, 1)
})

for (const off of [[], ['tasksearch']] satisfies CapeOptions['off'][]) {
  test(`of an upload whose answer is lost all tasks are found, and are one message (off: ${off})`, async t => {
    const { cape, feed } = await setUp(t, { tasksPerUpload: () => 3, off })
    cape.faults.next({ kind: 'lostAfterStore', match: { method: 'POST' } })
    const task = await feed()
    assert.deepEqual([task.taskId, task.others], [1, [2, 3]])
    assert.equal(cape.journal.filter(({ method }) => method === 'POST').length, 1)
    assert.deepEqual(cape.violations, [])
  })
}

for (const off of [[], ['tasksearch']] satisfies CapeOptions['off'][]) {
  test(`a custom of the analyst's own, which other samples have as well, finds no task of theirs (off: ${off})`, async t => {
    const { cape, feed } = await setUp(t, { off })
    const custom = 'campaign 7'
    const theirs = await feed({ custom }, 'b.exe', false, Buffer.from('MZ of another sample'))
    const ours = await feed({ custom }, 'a.exe', true)
    assert.deepEqual([theirs.taskId, ours.taskId, ours.others, cape.submissions.length], [1, 2, undefined, 2])
    assert.equal((await feed({ custom }, 'a.exe', true)).taskId, 2)
  })
}

test('a task is found whatever its name has become: CAPE cuts long ones', async t => {
  const { cape, feed } = await setUp(t)
  cape.faults.next({ kind: 'lostAfterStore', match: { method: 'POST' } })
  const name = `${md5}.exe`
  assert.equal((await feed({}, name)).taskId, 1)
  assert.notEqual(cape.submissions[0]?.fileName, name)
  assert.equal(cape.submissions.length, 1)
})

test('what CAPE refuses for good fails the message at once and for good', async t => {
  const { cape, feed } = await setUp(t, { maxSampleSize: 3 }, { junkNames: 'fail' })
  await assert.rejects(feed(), { code: 'CUCKOO_TASK_REFUSED', permanent: true, message: /max_sample_size/ })
  await assert.rejects(feed({ custom: 'name=x' }), { code: 'CUCKOO_TASK_REFUSED', permanent: true })
  assert.equal(cape.journal.filter(({ method }) => method === 'POST').length, 1)
})

test('throttled or away, it is waited for: one upload in the end', async t => {
  const { cape, feed } = await setUp(t)
  cape.faults.next({ kind: 'status', status: 429, headers: { 'retry-after': '0' }, times: 3 })
  cape.faults.next({
    kind: 'status',
    status: 429,
    headers: { 'retry-after': '0' },
    match: { method: 'POST' },
    times: 2,
  })
  cape.faults.next({ kind: 'status', status: 503, match: { method: 'POST' } })
  await feed()
  assert.equal(cape.submissions.length, 1)
  assert.equal(cape.faults.pending, 0)
})
