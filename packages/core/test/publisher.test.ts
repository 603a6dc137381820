// What becomes of a publish, before a broker that confirms, refuses, returns or breaks when the test says so.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import { parseBrokers } from '../src/broker/address.js'
import { DeliveryDoubtfulError, Publisher, type PublisherOptions, UndeliverableError } from '../src/broker/publisher.js'
import { amqpError, FakeBroker, logOf } from './fake-broker.js'

const BODY = Buffer.from('body')
const noQueue = amqpError(
  404,
  'Operation failed: QueueDeclare; 404 (NOT-FOUND) with message "NOT_FOUND - no queue \'x\'"',
)

async function scene(t: TestContext, options: Partial<PublisherOptions> = {}) {
  const clock = fakeClock(t)
  const broker = new FakeBroker()
  const { log, lines, messages } = logOf()
  const publisher = new Publisher({
    ...{ addresses: parseBrokers('amqp://h'), name: 'p', log, connect: broker.connect, maxMessageSize: 2_000_000 },
    ...{ queues: [{ name: 'own' }], queueType: 'classic', ...options },
  })
  const end = new AbortController()
  t.after(() => publisher[Symbol.asyncDispose]())
  await publisher.open(end.signal)
  const publish = (queue = 'own', body = BODY, from?: { arrivedAt: number; isCostly: boolean }) =>
    publisher.publish(queue, body, { 'x-own': 1 }, end.signal, { from })
  const steps = () => broker.steps.splice(0)
  steps()
  return { clock, broker, lines, messages, publisher, publish, steps, end }
}

test('a confirmed publish is one publish: persistent, mandatory, with its own headers and an id of its own', async t => {
  const { broker, publish, steps } = await scene(t)
  assert.equal(await publish(), 'once')
  assert.equal(await publish('foreign'), 'once')
  assert.deepEqual(steps(), ['confirm channel', 'publish own', 'publish foreign'])
  const [first, second] = broker.sent.map(({ options }) => options)
  const { messageId, ...rest } = first ?? assert.fail('nothing sent')
  assert.deepEqual(rest, {
    persistent: true,
    mandatory: true,
    contentType: 'application/json',
    headers: { 'x-own': 1 },
  })
  assert.notEqual(messageId, second?.messageId)
})

for (const [fate, headers] of [
  ['returned', { 'x-own': 1 }],
  ['nacked', { 'x-own': 1, 'x-seen': 1 }],
] as const) {
  test(`an own queue by which it was ${fate} is declared again, and gets the same message after a pause`, async t => {
    const { broker, clock, publish, steps, messages } = await scene(t)
    broker.fates.push(fate, fate)
    const publishing = publish()
    await clock.pass(0)
    assert.deepEqual(steps(), ['confirm channel', 'publish own', 'declare own', 'close channel'])
    await clock.pass(79)
    assert.deepEqual(steps(), [])
    await clock.pass(21)
    assert.deepEqual(steps(), ['publish own', 'declare own', 'close channel'])
    await clock.pass(159)
    assert.deepEqual(steps(), [], 'the pause grows')
    await clock.pass(41)
    assert.equal(await publishing, 'once')
    assert.deepEqual(broker.sent[2]?.options.headers, headers)
    assert.equal(new Set(broker.sent.map(({ options }) => options.messageId)).size, 1)
    assert.match(messages().join(), /the queue rejects a message; declaring the queue and trying again/)
  })
}

test('a queue that cannot be declared again is tried again, until the caller gives up', async t => {
  const { broker, clock, publish, messages, end } = await scene(t)
  broker.fates.push('nacked', 'nacked', 'nacked')
  broker.onQueue = () => {
    throw amqpError(406, 'PRECONDITION_FAILED')
  }
  const rejected = assert.rejects(publish(), /stop/)
  await clock.pass(100)
  assert.equal(broker.sent.length, 2)
  assert.match(messages().join(), /cannot be declared at present/)
  broker.onQueue = () => end.abort(new Error('stop'))
  await clock.pass(200)
  await rejected
})

test('a queue that is not ours is missing only if the broker says so', async t => {
  const { broker, publish, steps, end } = await scene(t)
  const refusal = async () => {
    const error: unknown = await publish('foreign').then(
      () => assert.fail('accepted'),
      error => error,
    )
    assert.ok(error instanceof UndeliverableError)
    return [error.why, steps().slice(-2)]
  }
  broker.fates.push('nacked', 'returned', 'returned', 'returned', 'returned')
  assert.deepEqual(await refusal(), ['nacked', ['confirm channel', 'publish foreign']])
  assert.deepEqual(await refusal(), ['nacked', ['check foreign', 'close channel']])
  broker.onQueue = () => {
    throw noQueue
  }
  assert.deepEqual(await refusal(), ['returned', ['check foreign', 'close channel']])
  broker.onQueue = () => {
    throw amqpError(404, 'NOT_FOUND - failed to perform operation on queue: timeout')
  }
  assert.deepEqual(await refusal(), ['nacked', ['check foreign', 'close channel']])
  broker.onQueue = () => {
    end.abort(new Error('stop'))
    throw noQueue
  }
  await assert.rejects(publish('foreign'), /stop/)
})

test('a channel that is lost before the answer: the same again on the next connection, marked, and perhaps twice', async t => {
  const { broker, clock, publish, messages } = await scene(t)
  broker.fates.push('none')
  const publishing = publish()
  await clock.pass(0)
  broker.connection.break('cut')
  await clock.pass(500)
  assert.equal(await publishing, 'perhaps-twice')
  assert.deepEqual(
    broker.sent.map(({ options, body }) => [options.headers['x-seen'], body]),
    [
      [undefined, 'body'],
      [1, 'body'],
    ],
  )
  assert.equal(broker.sent[0]?.options.messageId, broker.sent[1]?.options.messageId)
  assert.match(messages().join(), /the channel was lost before a confirm; publishing again/)
})

test('the limit of size is exact, counts before anything is sent, and a body that came through may be larger', async t => {
  const { broker, publish, publisher, end } = await scene(t, { maxMessageSize: 4 })
  await publish()
  await assert.rejects(publish('own', Buffer.alloc(5)), { code: 'MESSAGE_TOO_LARGE' })
  assert.equal(broker.sent.length, 1)
  await publisher.publish('own', Buffer.alloc(5), {}, end.signal, { maxBytes: Number.POSITIVE_INFINITY })
  assert.equal(broker.sent.length, 2)
})

test('large bodies share no channel with others, and go one at a time', async t => {
  const { broker, clock, publish, steps } = await scene(t)
  const MIB = 1024 * 1024
  broker.fates.push('none', 'none', 'none')
  const all = [
    publish('own', Buffer.alloc(MIB)),
    publish('own', Buffer.alloc(MIB + 1)),
    publish('a', Buffer.alloc(MIB + 1)),
  ]
  await clock.pass(0)
  assert.deepEqual(steps(), ['confirm channel', 'confirm channel', 'publish own', 'publish own'])
  for (const { answer } of broker.sent.slice()) answer(null)
  await clock.pass(0)
  assert.deepEqual(steps(), ['publish a'])
  broker.sent[2]?.answer(null)
  await Promise.all(all)
})

test('a delivery in doubt is not passed on unless its work costs much, and others are', async t => {
  const { broker, clock, publish, publisher, messages } = await scene(t)
  const doubts: unknown[] = []
  publisher.onDoubt(doubt => doubts.push(doubt))
  const arrivedAt = performance.now()
  await clock.pass(30_000)
  publisher.cameAgain(arrivedAt)
  assert.deepEqual(doubts, [], 'exactly as long as an answer may take')
  await clock.pass(1)
  publisher.cameAgain(arrivedAt)
  assert.deepEqual(doubts, [{ cause: 'a message in progress was redelivered', isCertain: true }])
  await assert.rejects(publish('own', BODY, { arrivedAt, isCostly: false }), DeliveryDoubtfulError)
  await assert.rejects(publish('own', BODY, { arrivedAt: arrivedAt + 1, isCostly: false }), DeliveryDoubtfulError)
  assert.equal(broker.sent.length, 0)
  await publish('own', BODY, { arrivedAt: arrivedAt + 2, isCostly: false })
  await publish('own', BODY, { arrivedAt, isCostly: true })
  await publish()
  assert.equal(broker.sent.length, 3)
  publisher.cameAgain(arrivedAt)
  const told = () => messages().filter(message => /may have been delivered to other consumers/.test(message)).length
  assert.deepEqual([doubts.length, told()], [2, 1], 'one line for one piece of news')
  await clock.pass(30_001)
  publisher.cameAgain(arrivedAt)
  assert.equal(told(), 2)
})

test('a late answer casts doubt that is not certain', async t => {
  const { broker, clock, publish, publisher } = await scene(t)
  const doubts: unknown[] = []
  publisher.onDoubt(doubt => doubts.push(doubt))
  broker.fates.push('none', 'none')
  const first = publish()
  await clock.pass(29_999)
  broker.sent[0]?.answer(null)
  await first
  await clock.pass(0)
  assert.deepEqual(doubts, [])
  const second = publish()
  await clock.pass(30_000)
  broker.sent[1]?.answer(null)
  await second
  await clock.pass(0)
  assert.deepEqual(doubts, [{ cause: 'the broker was silent for long', isCertain: false }])
})

test('a caller that gives up ends the wait with its own reason, and telemetry hears of confirms alone', async t => {
  const took: unknown[] = []
  const telemetry = {
    happened: () => {},
    took: (what: string, queue: string, seconds: number) => void took.push([what, queue, seconds]),
  }
  const { broker, clock, publish, end } = await scene(t, { telemetry })
  broker.fates.push('nacked')
  const publishing = publish()
  await clock.pass(100)
  await publishing
  assert.deepEqual(took, [['confirm', 'own', 0]])
  broker.fates.push('none')
  const given = publish()
  await clock.pass(1500)
  end.abort(new Error('enough'))
  await assert.rejects(given, /enough/)
  broker.sent.at(-1)?.answer(null)
  await clock.pass(0)
  assert.equal(took.length, 1)
})
