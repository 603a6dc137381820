import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { type CuckooStandIn, startCrits, waitFor } from '@cuckoo-distributed/testing'
import { message, messages, scene } from './scene.js'

const CREATE = { path: '/tasks/create/file' }

function count(cuckoo: CuckooStandIn, path: string): number {
  return cuckoo.journal.filter(request => request.path.startsWith(path)).length
}

function json(body: Buffer): unknown {
  return JSON.parse(body.toString())
}

test("a sample published in CRITs' form becomes a task, and a message for check_results", async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const cuckoo = await start()
  await feeder(`${cuckoo.url}/`, { CritsURL: 'https://crits.example' })
  const content = randomBytes(5_000_000)
  const md5 = createHash('md5').update(content).digest('hex')
  const properties = { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2, headers: {} }
  await broker.publish(queues.feed, message('analysis-1', content, { md5 }), { ...properties, confirm: false })
  const { body, headers } = await broker.expectMessage(queues.check)
  const [task] = cuckoo.submissions
  assert.equal(task?.sample.md5, md5)
  assert.deepEqual([task?.package, task?.custom], ['exe', 'analysis-1'])
  assert.deepEqual(json(body), {
    TaskId: task?.id,
    CuckooURL: cuckoo.url,
    CritsData: {
      crits_url: 'https://crits.example',
      analysis_id: 'analysis-1',
      object_type: 'Sample',
      object_id: '56686f0e1d41c8731f5e8a01',
      username: 'alice',
      api_key: 'f00ba4',
      md5,
      source: 'Internal',
    },
  })
  assert.equal(headers['x-seen'], undefined)
  assert.equal(cuckoo.peakConnections, 1)
  assert.deepEqual(cuckoo.violations, [])
})

test('a feeder that is killed after the upload leaves the task to the next one', async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const cuckoo = await start({ singleThreaded: false })
  const killed = await feeder(cuckoo.url)
  cuckoo.faults.next({ kind: 'lostAfterStore', match: CREATE })
  cuckoo.faults.next({ kind: 'hang', match: { path: '/tasks/list' } })
  const [body = Buffer.alloc(0)] = messages(1)
  await broker.publish(queues.feed, body)
  await waitFor(() => count(cuckoo, '/tasks/list') === 1, { describe: 'the look for the task' })
  await killed.kill()
  await feeder(cuckoo.url)
  const sent = json((await broker.expectMessage(queues.check)).body)
  assert.equal(cuckoo.submissions.length, 1)
  assert.ok(typeof sent === 'object' && sent !== null && 'TaskId' in sent)
  assert.equal(sent.TaskId, cuckoo.submissions[0]?.id)
})

test('an answer that is lost makes no second task', async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const cuckoo = await start()
  const service = await feeder(cuckoo.url)
  cuckoo.faults.next({ kind: 'lostAfterStore', match: CREATE })
  await broker.publish(queues.feed, messages(1)[0] ?? '')
  await broker.expectMessage(queues.check)
  assert.equal(cuckoo.submissions.length, 1)
  await service.waitForLog('an earlier attempt has submitted the sample already')
})

test('with 30 messages in hand no more tasks are pending than MaxPending', async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const cuckoo = await start()
  await feeder(cuckoo.url, { MaxPending: 5 })
  for (const body of messages(30)) await broker.publish(queues.feed, body)
  // One runs, five are pending.
  await waitFor(() => cuckoo.submissions.length === 6, { describe: 'six tasks' })
  const asked = count(cuckoo, '/cuckoo/status')
  await waitFor(() => count(cuckoo, '/cuckoo/status') >= asked + 3, { describe: 'three more status requests' })
  assert.equal(cuckoo.submissions.length, 6)
  cuckoo.move(1, 'reported')
  await waitFor(() => cuckoo.submissions.length === 7, { describe: 'the seventh task', deadlineMs: 20_000 })
})

test('messages that find no room go to a feeder with another Cuckoo, and come back when there is room', async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const [full, free] = [await start(), await start()]
  const first = await feeder(full.url, { MaxPending: 1 })
  for (const body of messages(2)) await broker.publish(queues.feed, body)
  await waitFor(() => full.submissions.length === 2, { describe: 'a full Cuckoo' })
  for (const body of messages(5)) await broker.publish(queues.feed, body)
  await waitFor(async () => (await broker.depth(queues.feed)) === 0, { describe: 'all messages in hand' })
  const second = await feeder(free.url)
  await first.waitForLog('no room in Cuckoo: leaving messages to others', { deadlineMs: 60_000 })
  await waitFor(() => free.submissions.length === 5, { describe: 'five tasks in the other Cuckoo' })
  assert.equal(full.submissions.length, 2)
  assert.equal(await broker.depth(queues.failed), 0)
  await waitFor(async () => (await broker.consumers(queues.feed)) === 1, { describe: 'one consumer' })
  full.move(1, 'reported')
  await waitFor(async () => (await broker.consumers(queues.feed)) === 2, {
    describe: 'two consumers',
    deadlineMs: 30_000,
  })
  for (const service of [first, second]) assert.equal((await service.stop()).code, 0)
})

test('an outage of Cuckoo is waited for and counts as no failure', async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const cuckoo = await start()
  await cuckoo.down()
  const service = await feeder(cuckoo.url)
  for (const body of messages(3)) await broker.publish(queues.feed, body)
  await service.waitForLog('the server is away; waiting for it')
  await cuckoo.up()
  for (let i = 0; i < 3; i += 1) await broker.expectMessage(queues.check, { deadlineMs: 20_000 })
  assert.equal(cuckoo.submissions.length, 3)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('a sample that is not in the message is read from CRITs', async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const cuckoo = await start()
  const crits = await startCrits()
  t.after(() => crits.close())
  const content = randomBytes(200_000)
  const sample = crits.addSample({ bytes: content })
  const md5 = createHash('md5').update(content).digest('hex')
  const [user] = crits.users
  await feeder(cuckoo.url, { AllowedCritsURLs: [crits.url] })
  const change = { md5, object_id: sample.id, username: user?.name, api_key: user?.keys[0], crits_url: crits.url }
  await broker.publish(queues.feed, message('analysis-1', null, change))
  await broker.expectMessage(queues.check)
  assert.equal(cuckoo.submissions[0]?.sample.md5, md5)
  assert.deepEqual(crits.violations, [])
})

test('a message that cannot be used goes to FailedQueue as it was, not to be tried again', async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const cuckoo = await start()
  const service = await feeder(cuckoo.url)
  const body = message('analysis-1', Buffer.from('MZ'), { object_id: 17 })
  await broker.publish(queues.feed, body)
  const failed = await broker.expectMessage(queues.failed)
  const wrapped = json(failed.body)
  assert.ok(typeof wrapped === 'object' && wrapped !== null && 'Msg' in wrapped && 'Error' in wrapped)
  assert.equal(wrapped.Msg, body.toString())
  assert.match(String(wrapped.Error), /crits_data.object_id must be a text, not a number/)
  assert.equal(failed.headers['x-permanent'], 1)
  assert.ok(!service.output.join('\n').includes('f00ba4'))
  assert.equal(cuckoo.submissions.length, 0)
})

test('a feeder that is stopped while it waits for room gives its messages back', async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const cuckoo = await start()
  const service = await feeder(cuckoo.url, { MaxPending: 1 })
  for (const body of messages(6)) await broker.publish(queues.feed, body)
  await waitFor(() => cuckoo.submissions.length === 2, { describe: 'a full Cuckoo' })
  await waitFor(async () => (await broker.depth(queues.check)) === 2, { describe: 'two messages' })
  assert.equal((await service.stop()).code, 0)
  await waitFor(async () => (await broker.depth(queues.feed)) === 4, { describe: 'four messages back' })
  assert.equal(await broker.depth(queues.failed), 0)
})
