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
  await feeder(`${cuckoo.url}/`, { CritsURL: 'http://127.0.0.1:1' })
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
    Sandbox: 'cuckoo',
    CritsData: {
      crits_url: 'http://127.0.0.1:1',
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

test('whether there is room in the sandbox is told by events', async t => {
  const { broker, queues, cuckoo: start, feeder } = await scene(t)
  const cuckoo = await start()
  const service = await feeder(cuckoo.url, { MaxPending: 1 })
  const events = `${queues.failed}.events`
  for (const body of messages(3)) await broker.publish(queues.feed, body)
  const room = await waitFor(
    async () => {
      if ((await broker.depth(events)) === undefined) return false
      const told = (await broker.takeAll(events)).map(({ body }) => JSON.parse(body.toString()))
      return told.find(({ event, room }) => event === 'room' && room.state === 'full')
    },
    { describe: 'a full sandbox' },
  )
  assert.equal(room.sandbox, cuckoo.url)
  assert.deepEqual([room.room.maxPending, room.room.pending], [1, 1])
  await service.stop()
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

const CRITS = { 'out of its JSON': {}, 'out of a ZIP, before June 2016': { filedata: 'id', zipWait: 1 } } as const
for (const [title, options] of Object.entries(CRITS)) {
  test(`a sample that is not in the message is read from CRITs (${title})`, async t => {
    const { broker, queues, cuckoo: start, feeder } = await scene(t)
    const cuckoo = await start()
    const crits = await startCrits(options)
    t.after(() => crits.close())
    const content = randomBytes(200_000)
    const sample = crits.addSample({ bytes: content })
    crits.startAnalysis({ objectId: sample.id, id: 'analysis-1' })
    const md5 = createHash('md5').update(content).digest('hex')
    const [user] = crits.users
    await feeder(cuckoo.url, { AllowedCritsURLs: [crits.url] })
    const change = { md5, object_id: sample.id, username: user?.name, api_key: user?.keys[0], crits_url: crits.url }
    await broker.publish(queues.feed, message('analysis-1', null, change))
    await broker.expectMessage(queues.check)
    assert.equal(cuckoo.submissions[0]?.sample.md5, md5)
    assert.deepEqual(
      crits.analyses.get('analysis-1')?.log.map(({ message }) => message),
      ['received by feed_cuckoo', 'submitted as Cuckoo task 1'],
    )
    assert.deepEqual(crits.violations, [])
  })
}

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
