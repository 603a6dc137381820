import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  brokerForTests,
  RabbitMqError,
  startRabbitMq,
  TestBroker,
  testQueues,
  waitFor,
} from '@cuckoo-distributed/testing'

/** A folder that holds everything this test makes, for as long as it runs. */
async function temporaryFolder(t: TestContext): Promise<string> {
  const usual = process.env.TMPDIR
  const folder = await mkdtemp(join(tmpdir(), 'rabbitmq-test-'))
  process.env.TMPDIR = folder
  t.after(async () => {
    if (usual === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = usual
    await rm(folder, { recursive: true })
  })
  return folder
}

test('a private node keeps durable messages through a kill, obeys rabbitmqctl and leaves nothing behind', async t => {
  const folder = await temporaryFolder(t)
  await using node = await startRabbitMq({ user: 'tester', password: 'secret', config: ['consumer_timeout = 5000'] })

  const before = await TestBroker.connect(node.url)
  await before.declare('work')
  await before.publish('work', 'kept', { persistent: true })
  // The definition of a queue may wait for two seconds in the broker's memory, unlike its messages.
  await node.ctl('eval', 'mnesia:sync_log().')
  await node.restart()
  const after = await TestBroker.connect(node.url)
  assert.equal((await after.expectMessage('work')).body.toString(), 'kept')

  await after.publish('work', 'counted')
  const ready = async () => (await node.queues()).find(queue => queue.name === 'work')?.messages_ready === 1
  await waitFor(ready, { describe: 'the message in the count of rabbitmqctl' })
  assert.match(await node.ctl('environment'), /consumer_timeout,5000/)
  await assert.rejects(node.ctl('no_such_command'), RabbitMqError)
  await after.close()

  assert.equal((await readdir(folder)).length, 1)
  await node.stop()
  assert.deepEqual(await readdir(folder), [])
  await assert.rejects(TestBroker.connect(node.url), { code: 'ECONNREFUSED' })
})

test('a node that cannot start is reported with its log', async () => {
  await assert.rejects(startRabbitMq({ config: ['no_such_option = 1'] }), (error: unknown) => {
    assert.ok(error instanceof RabbitMqError)
    assert.match(error.message, /no_such_option/)
    return true
  })
})

test('a message arrives exactly as it was published', async t => {
  const broker = await brokerForTests(t)
  const queues = await testQueues(t, broker, 'feed')
  const headers = { 'x-attempts': 2 }
  await broker.publish(queues.feed, Buffer.from([0xff, 0]), {
    headers,
    contentType: 'application/json',
    messageId: 'm',
  })
  const message = await broker.expectMessage(queues.feed)
  assert.deepEqual(message.body, Buffer.from([0xff, 0]))
  assert.deepEqual(message.headers, headers)
  assert.equal(message.properties.contentType, 'application/json')
  assert.equal(message.properties.deliveryMode, undefined)
  await broker.publish(queues.feed, 'unconfirmed', { confirm: false })
  assert.equal((await broker.expectMessage(queues.feed)).body.toString(), 'unconfirmed')
})

test('a queue is looked into without taking anything', async t => {
  const broker = await brokerForTests(t)
  const queues = await testQueues(t, broker, 'feed', 'check')
  for (const body of ['1', '2', '3']) await broker.publish(queues.feed, body)
  assert.deepEqual([await broker.depth(queues.feed), await broker.depth(queues.check)], [3, 0])
  assert.deepEqual([await broker.depth(`${queues.feed}.none`), await broker.consumers(queues.feed)], [undefined, 0])
  assert.deepEqual(
    (await broker.takeAll(queues.feed)).map(message => message.body.toString()),
    ['1', '2', '3'],
  )
})

test('test queues go when their test has passed, and stay for inspection when it has not', async t => {
  const broker = await brokerForTests(t)
  const { passed, failed } = await testQueues(t, broker, 'passed', 'failed')
  await broker.declare(`${passed}.delay.60`)
  await broker.publish(passed, 'left over')
  assert.match(passed, /^test\.[0-9a-f]{10}\.passed$/)
  assert.notEqual(passed, failed)
  t.after(async () => {
    const look = await TestBroker.connect(broker.url)
    assert.deepEqual([await look.depth(passed), await look.depth(`${passed}.delay.60`)], [undefined, undefined])
    await look.close()
  })
})
