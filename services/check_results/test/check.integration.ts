import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { message, scene } from './scene.js'

test('a message goes on byte for byte when its task is reported, and not before', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(2)
  await checker()
  const [one, two] = [message(cuckoo.url, 1), message(`${cuckoo.url}/`, 2)]
  await broker.publish(queues.check, one)
  await broker.publish(queues.check, two)
  await waitFor(() => cuckoo.journal.some(({ path }) => path === '/tasks/view/2'), { describe: 'a view of task 2' })
  assert.equal(await broker.depth(queues.parse), 0)
  cuckoo.move(2, 'reported')
  assert.deepEqual((await broker.expectMessage(queues.parse)).body, two)
  cuckoo.move(1, 'reported')
  assert.deepEqual((await broker.expectMessage(queues.parse)).body, one)
  assert.equal(cuckoo.peakConnections, 1)
  assert.deepEqual(cuckoo.violations, [])
})

test('a failed task is a permanent failure that names the reason', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(1)
  await checker()
  cuckoo.move(1, 'failed_analysis', 'the machine did not start')
  await broker.publish(queues.check, message(cuckoo.url, 1))
  const { body, headers } = await broker.expectMessage(queues.failed)
  assert.match(body.toString(), /the analysis of task 1 ended as failed_analysis: the machine did not start/)
  assert.equal(headers['x-permanent'], 1)
  assert.equal(headers['x-since'], undefined)
})

test('equal task ids and analysis ids in two Cuckoos are kept apart', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const [first, second] = [await start(1), await start(1)]
  await checker()
  const [one, two] = [message(first.url, 1, 'same'), message(second.url, 1, 'same')]
  await broker.publish(queues.check, one)
  await broker.publish(queues.check, two)
  const isViewed = (cuckoo: typeof first) => cuckoo.journal.some(({ path }) => path === '/tasks/view/1')
  await waitFor(() => isViewed(first) && isViewed(second), { describe: 'both tasks viewed' })
  second.move(1, 'reported')
  assert.deepEqual((await broker.expectMessage(queues.parse)).body, two)
  assert.equal(await broker.depth(queues.parse), 0)
  first.move(1, 'reported')
  assert.deepEqual((await broker.expectMessage(queues.parse)).body, one)
})

test('a task that Cuckoo goes on with under another id is passed on with that id', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(1)
  const next = cuckoo.reschedule(1)
  await checker()
  const body = message(cuckoo.url, 1)
  await broker.publish(queues.check, body)
  await waitFor(() => cuckoo.journal.some(({ path }) => path === `/tasks/view/${next.id}`), { describe: 'a new watch' })
  cuckoo.move(next.id, 'reported')
  const passedOn = JSON.parse((await broker.expectMessage(queues.parse)).body.toString())
  assert.deepEqual(passedOn, { ...JSON.parse(body.toString()), TaskId: next.id })
})

test('lists that always fail do not keep tasks from being passed on, nor does a row that cannot be read', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const [failing, odd] = [await start(20), await start(3)]
  const match = { path: '/tasks/list' }
  failing.faults.next({ kind: 'status', status: 500, match, times: Number.POSITIVE_INFINITY })
  const body = JSON.stringify({
    tasks: [
      { id: 999, status: null },
      { id: 2, status: 'reported' },
    ],
  })
  odd.faults.next({ kind: 'status', status: 200, body, match, times: Number.POSITIVE_INFINITY })
  await checker()
  await broker.publish(queues.check, message(odd.url, 2, 'odd'))
  assert.match((await broker.expectMessage(queues.parse)).body.toString(), /"odd"/)
  for (let id = 1; id <= 20; id += 1) {
    failing.move(id, 'reported')
    await broker.publish(queues.check, message(failing.url, id))
  }
  for (let i = 0; i < 20; i += 1) await broker.expectMessage(queues.parse)
  assert.equal(await broker.depth(queues.failed), 0)
})

test("a locked database of Cuckoo (404, empty lists) does not end a task's watch", async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(1)
  await checker()
  cuckoo.faults.next({ kind: 'databaseError', match: { path: /^\/tasks\/(list|view)/ }, times: 30 })
  await broker.publish(queues.check, message(cuckoo.url, 1))
  await waitFor(() => cuckoo.faults.pending === 0, { describe: 'thirty failed requests' })
  cuckoo.move(1, 'reported')
  await broker.expectMessage(queues.parse)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('a hundred tasks are watched by lists, with a view now and then', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(100)
  const created = cuckoo.journal.length
  await checker()
  for (let id = 1; id <= 100; id += 1) await broker.publish(queues.check, message(cuckoo.url, id))
  const asked = () => cuckoo.journal.slice(created).map(({ path }) => path)
  const views = () => asked().filter(path => path.startsWith('/tasks/view/'))
  await waitFor(() => views().length > 3, { describe: 'views' })
  for (let id = 1; id <= 100; id += 1) cuckoo.move(id, 'reported')
  const forwarded = new Set<string>()
  for (let i = 0; i < 100; i += 1) forwarded.add((await broker.expectMessage(queues.parse)).body.toString())
  assert.equal(forwarded.size, 100)
  assert.ok(views().length <= asked().length / 5)
  assert.equal(cuckoo.peakConnections, 1)
})

test('an outage of Cuckoo is waited for and counts as no failure', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(1)
  const service = await checker()
  await cuckoo.down()
  await broker.publish(queues.check, message(cuckoo.url, 1))
  await service.waitForLog('the server is unavailable; waiting for it')
  await cuckoo.up()
  cuckoo.move(1, 'reported')
  await broker.expectMessage(queues.parse)
  assert.equal(await broker.depth(queues.failed), 0)
})

for (const trouble of ['dead', 'hanging', 'failing'] as const) {
  test(`a backlog of a Cuckoo that is ${trouble} does not keep those of a healthy one waiting`, async t => {
    const { broker, queues, cuckoo: start, checker } = await scene(t)
    const [broken, healthy] = [await start(0), await start(3)]
    if (trouble === 'dead') await broken.down()
    if (trouble === 'hanging') broken.faults.next({ kind: 'hang', times: Number.POSITIVE_INFINITY })
    if (trouble === 'failing') broken.faults.next({ kind: 'status', status: 500, times: Number.POSITIVE_INFINITY })
    for (let id = 1; id <= 40; id += 1) await broker.publish(queues.check, message(broken.url, id))
    await checker({ PrefetchCount: 4 })
    for (const id of [1, 2, 3]) {
      healthy.move(id, 'reported')
      await broker.publish(queues.check, message(healthy.url, id, 'healthy'))
    }
    for (let i = 0; i < 3; i += 1) assert.match((await broker.expectMessage(queues.parse)).body.toString(), /"healthy"/)
    assert.equal(await broker.depth(queues.failed), 0)
  })
}

test('after HoldLimit a message waits on with the clocks it had', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(1)
  const service = await checker({ HoldLimit: 1 })
  await broker.publish(queues.check, message(cuckoo.url, 1))
  await service.waitForLog('returned to the end of its queue')
  assert.equal((await service.stop()).code, 0)
  const { headers, body } = await broker.expectMessage(queues.check)
  assert.match(String(headers['x-since']), /"watchedSince":\d+/)
  assert.equal(headers['x-attempts'], undefined)
  assert.deepEqual(body, message(cuckoo.url, 1))
})

test('a task that takes longer than AnalysisDeadline is a permanent failure', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(1)
  await checker({ AnalysisDeadline: 1 })
  await broker.publish(queues.check, message(cuckoo.url, 1))
  const { body, headers } = await broker.expectMessage(queues.failed)
  assert.match(body.toString(), /task 1 is still running after 1 s/)
  assert.equal(headers['x-permanent'], 1)
})

test('a Cuckoo that is not allowed is not asked', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(1)
  const requests = cuckoo.journal.length
  await checker({ AllowedCuckooURLs: ['http://cuckoo.example:8090'] })
  await broker.publish(queues.check, message(cuckoo.url, 1))
  await broker.publish(queues.check, message('http://user:secret@cuckoo.example:8090', 1))
  const failed = [await broker.expectMessage(queues.failed), await broker.expectMessage(queues.failed)]
  assert.deepEqual(
    failed.map(({ headers }) => headers['x-permanent']),
    [1, 1],
  )
  assert.equal(cuckoo.journal.length, requests)
})

test('a task that is gone is a permanent failure, but a message that may have been passed on before goes on', async t => {
  const { broker, queues, cuckoo: start, checker } = await scene(t)
  const cuckoo = await start(0)
  await checker()
  // Two views long ago did not show the task; the third is the last.
  const troubledSince = Date.now() - 6 * 60_000
  const since = JSON.stringify({ watchedSince: troubledSince, troubledSince, troubles: 2 })
  await broker.publish(queues.check, message(cuckoo.url, 7), { headers: { 'x-since': since } })
  assert.match((await broker.expectMessage(queues.failed)).body.toString(), /Cuckoo does not know task 7/)
  const repeat = message(cuckoo.url, 8)
  await broker.publish(queues.check, repeat, { headers: { 'x-since': since, 'x-seen': 1 } })
  const { body, headers } = await broker.expectMessage(queues.parse)
  assert.deepEqual(body, repeat)
  assert.deepEqual(headers, { 'x-seen': 1 })
  assert.equal(await broker.depth(queues.failed), 0)
})
