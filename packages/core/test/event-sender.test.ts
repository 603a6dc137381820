// Events before a broker that takes them, reads nothing, refuses their queue or breaks: they harm nobody, and gaps are seen.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import { parseBrokers } from '../src/broker/address.js'
import { EventSender, instanceName, isDeclarationRefused } from '../src/broker/event-sender.js'
import { amqpError, FakeBroker, logOf } from './fake-broker.js'

function scene(t: TestContext) {
  const clock = fakeClock(t)
  const broker = new FakeBroker()
  const { log, messages } = logOf()
  const sender = new EventSender({
    ...{ addresses: parseBrokers('amqp://h'), name: 'e', log, connect: broker.connect },
    ...{ service: 's', instance: 'i', failedQueue: 'failed' },
  })
  t.after(() => sender[Symbol.asyncDispose]())
  const tell = (times = 1) => {
    for (let time = 0; time < times; time += 1) sender.happened({ queue: 'q' }, { event: 'done' })
  }
  /** The numbers of the events that were sent. */
  const seqs = () => broker.events.map(({ body }) => Number(JSON.parse(body).seq))
  return { clock, broker, sender, tell, seqs, messages }
}

test('it connects when there is something to tell, and sends each event with its number', async t => {
  const { clock, broker, sender, tell } = scene(t)
  await clock.pass(0)
  assert.deepEqual(broker.steps, [])
  tell()
  sender.happened({ queue: 'q' }, { event: 'later', at: 5 })
  await clock.pass(0)
  assert.deepEqual(broker.steps, ['connect h:5672', 'declare failed.events'])
  assert.deepEqual(JSON.parse(broker.events[0]?.body ?? ''), {
    ...{ at: Date.now(), service: 's', instance: 'i', seq: 1, event: 'done', queue: 'q' },
  })
  assert.equal(JSON.parse(broker.events[1]?.body ?? '').at, 5)
  assert.ok(broker.events.every(({ persistent }) => persistent))
  assert.equal(broker.connections.length, 1)
})

test('events are gathered for a tenth of a second, or until there are fifty', async t => {
  const { clock, tell, seqs } = scene(t)
  tell()
  await clock.pass(0)
  tell(2)
  await clock.pass(99)
  assert.deepEqual(seqs(), [1])
  await clock.pass(1)
  assert.deepEqual(seqs(), [1, 2, 3])
  tell(49)
  assert.equal(seqs().length, 3)
  tell()
  assert.equal(seqs().length, 53, 'at once')
  await clock.pass(50)
  tell()
  await clock.pass(99)
  assert.equal(seqs().length, 53, 'the time begins with the first of them')
  await clock.pass(1)
  assert.equal(seqs().length, 54)
})

test('their queue is durable and classic, has limits, drops the oldest and is dead-lettered nowhere', async t => {
  const { clock, broker, tell } = scene(t)
  tell()
  await clock.pass(0)
  const args = {
    'x-queue-type': 'classic',
    'x-max-length': 1_000_000,
    'x-max-length-bytes': 536_870_912,
    'x-overflow': 'drop-head',
    'x-single-active-consumer': true,
  }
  assert.deepEqual(broker.declared.get('failed.events'), { durable: true, arguments: args })
})

test('what a broker does not read waits, up to a bound; then it is dropped, said once, and seen by its number', async t => {
  const { clock, broker, sender, tell, seqs, messages } = scene(t)
  broker.hasRoom = false
  tell()
  await clock.pass(0)
  assert.deepEqual(seqs(), [1])
  tell(1000)
  assert.equal(sender.dropped, 0)
  tell(2)
  assert.deepEqual([sender.dropped, seqs()], [2, [1]])
  const dropping = () => messages().filter(message => /does not accept events/.test(message)).length
  assert.equal(dropping(), 1)
  broker.hasRoom = true
  broker.connection.channels[0]?.emit('drain')
  assert.deepEqual([seqs().length, seqs().at(-1)], [1001, 1001])
  assert.match(messages().join(), /sending events again/)
  tell()
  await clock.pass(100)
  assert.equal(seqs().at(-1), 1004)
})

test('while the broker blocks events are dropped, and go on afterwards or on the next connection', async t => {
  const { clock, broker, sender, tell, seqs } = scene(t)
  tell()
  await clock.pass(0)
  broker.connection.emit('blocked', 'memory')
  tell()
  assert.deepEqual([sender.dropped, seqs()], [1, [1]])
  broker.connection.emit('unblocked')
  tell()
  await clock.pass(100)
  assert.deepEqual(seqs(), [1, 3])
  broker.connection.emit('blocked', 'memory')
  broker.connection.break('cut')
  await clock.pass(200)
  tell()
  await clock.pass(100)
  assert.deepEqual(seqs(), [1, 3, 4])
})

test('a channel that the broker closes, and one that was closed unnoticed, is made again and loses nothing that waits', async t => {
  const { clock, broker, tell, seqs } = scene(t)
  tell()
  await clock.pass(0)
  broker.connection.channels[0]?.break('queue deleted')
  tell()
  await clock.pass(200)
  assert.deepEqual(seqs(), [1, 2])
  assert.equal(broker.connections.length, 2)
  broker.connections[0]?.channels[0]?.emit('close')
  await clock.pass(200)
  assert.equal(broker.connections.length, 2, 'the late close of an old channel is no loss')
})

for (const [code, isFinal] of [
  [403, true],
  [405, true],
  [406, true],
  [404, false],
] as const) {
  test(`a declaration that is refused with ${code} ${isFinal ? 'switches events off' : 'is tried again'}`, async t => {
    const { clock, broker, sender, tell, seqs, messages } = scene(t)
    broker.onQueue = () => {
      broker.onQueue = () => {}
      throw amqpError(code, 'refused')
    }
    assert.equal(isDeclarationRefused(amqpError(code, 'x')), isFinal)
    tell()
    await clock.pass(0)
    await clock.pass(200)
    tell()
    await clock.pass(100)
    assert.deepEqual(seqs(), isFinal ? [] : [1, 2])
    const off = 'events are disabled: the broker rejects their queue'
    assert.deepEqual([messages().includes(off), sender.dropped], [isFinal, 0])
    assert.equal(broker.connections.length, isFinal ? 1 : 2)
  })
}

test('a declaration that nobody answers for 30 s is given up, and tried again', async t => {
  const { clock, broker, tell, seqs } = scene(t)
  broker.onQueue = () => new Promise(() => {})
  tell()
  await clock.pass(29_999)
  assert.equal(broker.steps.includes('close'), false)
  broker.onQueue = () => {}
  await clock.pass(1)
  await clock.pass(200)
  assert.deepEqual(seqs(), [1])
})

test('a refusal of the connection switches events off, and closing afterwards says nothing', async t => {
  const { clock, broker, sender, tell, messages } = scene(t)
  broker.onConnect = () => Promise.reject(amqpError(403, 'ACCESS_REFUSED'))
  tell()
  await clock.pass(0)
  assert.deepEqual(messages(), ['events are disabled: the broker rejects their queue'])
  tell()
  await sender[Symbol.asyncDispose]()
  assert.deepEqual([broker.events.length, broker.steps.length], [0, 1])
})

test('at the end what is left is sent, its channel closed by itself and before the connection', async t => {
  const { broker, sender, tell, seqs } = scene(t)
  tell(3)
  await sender[Symbol.asyncDispose]()
  assert.deepEqual(seqs(), [1, 2, 3])
  assert.deepEqual(broker.steps, ['connect h:5672', 'declare failed.events', 'close channel', 'close'])
  tell()
  assert.equal(seqs().length, 3)
})

test('at the end a broker that cannot be reached is given a second, and one that blocks none', async t => {
  const { clock, broker, sender, tell, messages } = scene(t)
  broker.onConnect = () => new Promise(() => {})
  tell()
  let isOver = false
  const closing = sender[Symbol.asyncDispose]().then(() => {
    isOver = true
  })
  await clock.pass(999)
  assert.equal(isOver, false)
  await clock.pass(1)
  await closing
  assert.deepEqual(messages(), [], 'nothing is said of it')
  t.mock.reset()
  const blocking = scene(t)
  blocking.tell()
  await blocking.clock.pass(0)
  blocking.broker.connection.emit('blocked', 'disk')
  await blocking.sender[Symbol.asyncDispose]()
  assert.equal(blocking.broker.steps.includes('close channel'), false)
})

test('nothing to tell, nothing to close', async t => {
  const { broker, sender } = scene(t)
  await sender[Symbol.asyncDispose]()
  assert.deepEqual(broker.steps, [])
})

test('the name of an instance tells host and process, and is never twice the same', () => {
  const name = instanceName('h'.repeat(61), 7)
  assert.match(name, /^h{60}:7\.[0-9a-f]{6}$/)
  assert.notEqual(instanceName('h', 7), instanceName('h', 7))
})
