// The connection that is kept up, before brokers that accept, refuse, hang or break when the test says so.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { Duplex } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import type { ChannelModel } from 'amqplib'
import { parseBrokers } from '../src/broker/address.js'
import { BrokerConnection, type BrokerConnectionOptions, closeQuietly } from '../src/broker/connection.js'
import { BrokerRefusedError } from '../src/broker/refusal.js'
import { amqpError, FakeBroker, logOf } from './fake-broker.js'

function scene(t: TestContext, options: Partial<BrokerConnectionOptions> = {}, urls = ['amqp://one']) {
  const clock = fakeClock(t)
  const broker = new FakeBroker()
  const { log, lines, messages } = logOf()
  const losses: string[] = []
  const pauses: string[] = []
  const pause = { next: () => pauses.push('next'), reset: () => void pauses.push('reset') }
  const connection = new BrokerConnection({
    ...{ addresses: parseBrokers(urls), name: 'c', log, connect: broker.connect, pause },
    setUp: async () => undefined,
    onLost: cause => void losses.push(cause.message),
    ...options,
  })
  t.after(() => connection[Symbol.asyncDispose]())
  const { signal } = new AbortController()
  return { clock, broker, connection, lines, messages, losses, pauses, signal }
}

test('it counts as up once it is set up, and everybody waits for that', async t => {
  let ready = () => {}
  const { broker, connection, signal, clock, messages } = scene(t, {
    setUp: () =>
      new Promise(resolve => {
        ready = resolve
      }),
  })
  const opening = connection.open(signal)
  const other = connection.connected(signal)
  await clock.pass(0)
  assert.deepEqual([connection.isUp, messages()], [false, []])
  ready()
  await opening
  assert.equal(await other, broker.connection)
  assert.equal(await connection.connected(signal), broker.connection)
  assert.deepEqual([connection.isUp, connection.losses, messages()], [true, 0, ['connected to the broker']])
  await connection.open(signal)
  assert.equal(broker.connections.length, 1, 'opened twice it is one')
})

test('a loss is told once, with its reason, and the next one is set up; the old one is closed', async t => {
  const { broker, connection, signal, clock, losses, lines, pauses } = scene(t)
  await connection.open(signal)
  const first = broker.connection
  first.emit('error', new Error('the reason'))
  first.emit('close', new Error('closed'))
  await clock.pass(0)
  assert.deepEqual([connection.isUp, connection.losses, losses], [false, 1, ['the reason']])
  assert.deepEqual(broker.steps, ['connect one:5672', 'close'])
  assert.deepEqual(lines.map(({ msg, cause, broker: at }) => [msg, cause, at]).slice(1), [
    ['lost the connection to the broker', 'the reason', 'one:5672'],
  ])
  await clock.pass(1)
  assert.deepEqual([connection.isUp, pauses], [true, ['next']])
  first.emit('close', new Error('late'))
  await clock.pass(0)
  assert.deepEqual([connection.isUp, losses], [true, ['the reason']])
  broker.connection.emit('close')
  await clock.pass(2)
  broker.connection.emit('handler-error', new Error('a listener threw'))
  await clock.pass(3)
  connection.drop(new Error('given up'))
  await clock.pass(0)
  assert.deepEqual(losses.slice(1), ['the broker closed the connection', 'a listener threw', 'given up'])
  connection.drop(new Error('nothing to give up'))
  assert.equal(losses.length, 4)
})

test('a connection that lasted begins the pauses anew, one of exactly five seconds does not', async t => {
  const { connection, signal, clock, pauses } = scene(t)
  await connection.open(signal)
  await clock.pass(5000)
  connection.drop(new Error('x'))
  await clock.pass(1)
  assert.deepEqual(pauses, ['next'])
  await clock.pass(5001)
  connection.drop(new Error('x'))
  await clock.pass(2)
  assert.deepEqual(pauses.slice(1), ['reset', 'next'])
})

test('without a pause of its own it waits 0.2 s and then longer', async t => {
  const { broker, connection, signal, clock } = scene(t, { pause: undefined })
  broker.onConnect = () => {
    if (broker.steps.length < 3) throw amqpError(320, 'not yet')
  }
  const opening = connection.open(signal)
  await clock.pass(159)
  assert.equal(broker.steps.length, 1)
  await clock.pass(41)
  assert.equal(broker.steps.length, 2)
  await clock.pass(319)
  assert.equal(broker.steps.length, 2)
  await clock.pass(81)
  await opening
})

test('a problem is named once for each broker until it changes or one is up', async t => {
  const { broker, connection, signal, clock, lines, pauses } = scene(t, {}, ['amqp://one', 'amqp://two'])
  let problem: string | undefined = 'down'
  broker.onConnect = () => {
    if (problem !== undefined) throw new Error(problem)
  }
  const opening = connection.open(signal)
  await clock.pass(10)
  assert.deepEqual([broker.steps.length, pauses.length], [4, 2], 'a pause after each round only')
  problem = 'other'
  await clock.pass(10)
  problem = undefined
  await clock.pass(10)
  await opening
  problem = 'other'
  connection.drop(new Error('gone'))
  await clock.pass(10)
  assert.deepEqual(
    lines.map(({ msg, cause, broker: at }) => `${at} ${msg}: ${cause}`),
    [
      'one:5672 cannot reach the broker; waiting for it: down',
      'two:5672 cannot reach the broker; waiting for it: down',
      'one:5672 cannot reach the broker; waiting for it: other',
      'two:5672 cannot reach the broker; waiting for it: other',
      'one:5672 connected to the broker: undefined',
      'one:5672 lost the connection to the broker: gone',
      'two:5672 cannot reach the broker; waiting for it: other',
      'one:5672 cannot reach the broker; waiting for it: other',
    ],
  )
})

test('a refusal ends it at the start for all who wait, and is waited out later', async t => {
  const refused = amqpError(403, 'ACCESS_REFUSED - no')
  const atStart = scene(t)
  atStart.broker.onConnect = () => Promise.reject(refused)
  const waiting = atStart.connection.connected(atStart.signal)
  await Promise.all([
    assert.rejects(atStart.connection.open(atStart.signal), BrokerRefusedError),
    assert.rejects(waiting, BrokerRefusedError),
  ])
  await assert.rejects(atStart.connection.connected(atStart.signal), BrokerRefusedError)
  await atStart.clock.pass(60_000)
  assert.equal(atStart.broker.steps.length, 1)
  t.mock.reset()
  const later = scene(t)
  await later.connection.open(later.signal)
  later.broker.onConnect = () => Promise.reject(refused)
  later.connection.drop(new Error('gone'))
  await later.clock.pass(10)
  later.broker.onConnect = () => {}
  await later.clock.pass(10)
  assert.ok(later.connection.isUp)
})

test('a connection that is lost while it is set up never was up', async t => {
  let setUps = 0
  const { broker, connection, signal, clock, losses, messages } = scene(t, {
    setUp: () => (setUps++ === 0 ? new Promise(() => {}) : Promise.resolve()),
  })
  const opening = connection.open(signal)
  await clock.pass(0)
  broker.connection.break('cut')
  await clock.pass(10)
  await opening
  assert.deepEqual([losses, connection.losses], [['cut'], 0])
  assert.deepEqual(messages(), ['cannot reach the broker; waiting for it', 'connected to the broker'])
})

test('who waits can give up and leaves no listener; closing ends all waits, and a late connection is closed', async t => {
  const { broker, connection, clock } = scene(t)
  let accept = () => {}
  broker.onConnect = () =>
    new Promise(resolve => {
      accept = resolve
    })
  const end = new AbortController()
  const opening = connection.open(end.signal)
  await clock.pass(0)
  end.abort(new Error('the process stops'))
  await assert.rejects(opening, /the process stops/)
  assert.equal(getEventListeners(end.signal, 'abort').length, 0)
  const other = new AbortController()
  const waiting = assert.rejects(connection.connected(other.signal), { code: 'CONNECTION_CLOSED' })
  await connection[Symbol.asyncDispose]()
  await waiting
  assert.equal(getEventListeners(other.signal, 'abort').length, 0)
  await assert.rejects(connection.connected(other.signal), { code: 'CONNECTION_CLOSED' })
  accept()
  await clock.pass(0)
  assert.deepEqual(broker.steps, ['connect one:5672', 'close'])
})

test('closing closes the connection, tells of no loss in the log, and makes no other one', async t => {
  const { broker, connection, signal, clock, messages } = scene(t)
  await connection.open(signal)
  await connection[Symbol.asyncDispose]()
  await clock.pass(60_000)
  assert.deepEqual(broker.steps, ['connect one:5672', 'close'])
  assert.deepEqual([messages(), connection.losses, connection.isUp], [['connected to the broker'], 0, false])
})

test('an alarm stops the time in which the broker reads, until it ends or the connection does', async t => {
  const { broker, connection, signal, clock, lines } = scene(t)
  await connection.open(signal)
  let over = 0
  for (const end of [() => broker.connection.emit('unblocked'), () => connection.drop(new Error('gone'))]) {
    broker.connection.emit('blocked', 'low on memory')
    connection.readingTime.after(100, () => over++)
    await clock.pass(1000)
    const before = over
    end()
    await clock.pass(99)
    assert.equal(over, before)
    await clock.pass(101)
    assert.equal(over, before + 1)
  }
  assert.deepEqual(
    lines.slice(1, 3).map(({ msg, why }) => [msg, why]),
    [
      ['the broker reads nothing from publishers (resource alarm); waiting', 'low on memory'],
      ['the broker reads from publishers again', undefined],
    ],
  )
})

test('a close that is not answered in half a second takes the socket with it, and its late error harms nobody', async t => {
  const clock = fakeClock(t)
  const { connect, connections } = new FakeBroker()
  const model: ChannelModel = await connect({ shown: 'x' })
  const stream = new Duplex({ read() {}, write() {} })
  const errors: Error[] = []
  stream.on('error', error => errors.push(error))
  Object.assign(model.connection, { stream })
  model.close = () => new Promise(() => {})
  let isOver = false
  const closing = closeQuietly(model).then(() => {
    isOver = true
  })
  await clock.pass(499)
  assert.deepEqual([isOver, stream.destroyed], [false, false])
  await clock.pass(1)
  await closing
  await clock.pass(0)
  assert.deepEqual([stream.destroyed, errors.map(({ message }) => message)], [true, ['the connection was given up']])
  connections[0]?.emit('error', new Error('late'))
})
