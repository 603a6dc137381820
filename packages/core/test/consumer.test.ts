// Whom a consumer takes, when it lets go, and whom it tells.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { done, Intake, type Outcome } from '../src/index.js'
import { message, scene, turns } from './consumer-scene.js'

test('it consumes with its prefetch, and each message is settled by itself', async t => {
  const { consumer, setUp, finish, lost } = scene(t)
  assert.deepEqual(consumer.state, { queue: 'q', isConsuming: false, isAsWanted: false })
  const channel = await setUp()
  assert.deepEqual(channel.steps, ['qos 2', 'consume q'])
  assert.deepEqual(consumer.state, { queue: 'q', isConsuming: true, isAsWanted: true })
  channel.receive(message(1))
  channel.receive(message(2))
  await turns()
  assert.equal(consumer.inWork, 2)
  finish[1]?.(done())
  await turns()
  assert.deepEqual(channel.steps.slice(2), ['ack 2'])
  assert.equal(consumer.inWork, 1)
  finish[0]?.(done())
  await turns()
  assert.deepEqual([consumer.inWork, lost], [0, []])
})

test('a consumer that the broker cancels, and a channel that dies, are told of once', async t => {
  const { consumer, setUp, lost } = scene(t)
  const channel = await setUp()
  channel.receive(null)
  assert.deepEqual(lost, ['the broker cancelled the consumer of "q"'])
  channel.emit('error', new Error('PRECONDITION_FAILED'))
  channel.emit('close')
  assert.deepEqual(lost.slice(1), ['PRECONDITION_FAILED'])
  assert.equal(consumer.state.isAsWanted, false)
  const next = await setUp()
  next.emit('close')
  assert.deepEqual(lost.slice(2), ['the broker closed the channel'])
})

test('work on a channel that is lost ends, and nothing is said on it any more', async t => {
  const { consumer, setUp } = scene(t)
  const channel = await setUp()
  channel.receive(message(1))
  await turns()
  consumer.lose(new Error('cut'))
  await turns()
  assert.deepEqual([consumer.inWork, channel.steps.slice(2)], [0, []])
})

test('while the stage wants nothing the consumer is cancelled, and is there again afterwards', async t => {
  const intake = new Intake()
  const { consumer, setUp } = scene(t, { intake })
  const channel = await setUp()
  intake.close()
  await turns()
  assert.deepEqual(channel.steps.slice(2), ['cancel tag 2'])
  assert.deepEqual(consumer.state, { queue: 'q', isConsuming: false, isAsWanted: true })
  intake.open()
  await turns()
  assert.deepEqual(channel.steps.slice(3), ['qos 2', 'consume q'])
})

test('after the first signal nothing is taken; the drain waits for what is in hand, then closes the channel', async t => {
  const { consumer, setUp, stop, finish } = scene(t, {
    run: () => new Promise(resolve => finish.push(o => resolve(o as Outcome))),
  })
  const channel = await setUp()
  channel.receive(message(1))
  await turns()
  stop.abort()
  await turns()
  assert.deepEqual(channel.steps.slice(2), ['cancel tag 2'])
  channel.receive(message(2))
  await turns()
  assert.equal(consumer.inWork, 1)
  let isDrained = false
  const drained = consumer.drain().then(() => {
    isDrained = true
  })
  await turns()
  assert.deepEqual([isDrained, channel.steps.length], [false, 3])
  finish[0]?.(done())
  await drained
  assert.deepEqual(channel.steps.slice(3), ['ack 1', 'close'])
  await consumer.drain()
  assert.equal(channel.steps.length, 5)
})

test('the second signal ends work, and what is in hand is left to the broker', async t => {
  let working: AbortSignal | undefined
  const { consumer, setUp, stop, force } = scene(t, {
    run: ({ working: signal }) => {
      working = signal
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
  })
  const channel = await setUp()
  channel.receive(message(1))
  stop.abort()
  await turns()
  assert.equal(working?.aborted, false)
  force.abort()
  await turns()
  assert.deepEqual([consumer.inWork, channel.steps.includes('ack 1')], [0, false])
})

test('what is too large beside what is in hand goes back, without its body', async t => {
  const { setUp, finish } = scene(t, { bytesInHand: 10 })
  const channel = await setUp()
  const second = message(2, 'x'.repeat(8))
  channel.receive(message(1, 'x'.repeat(8)))
  channel.receive(second)
  await turns()
  assert.ok(channel.steps.includes('nack 2 true'))
  assert.equal(finish.length, 1)
})

test('a redelivery of what is in hand on the same channel casts doubt, another message or another channel does not', async t => {
  const { setUp, came, lost, doubters } = scene(t, { prefetch: 10 })
  const channel = await setUp()
  channel.receive(message(1, 'same'))
  channel.receive(message(2, 'same'))
  channel.receive(message(3, 'other', true))
  assert.equal(came.length, 0)
  channel.receive(message(4, 'other', true))
  assert.equal(came.length, 1)
  const next = await setUp()
  next.receive(message(1, 'same', true))
  assert.equal(came.length, 1)
  // A certain doubt renews the channel at once.
  for (const doubt of doubters) doubt({ cause: 'came again', isCertain: true })
  await new Promise(resolve => setTimeout(resolve, 0))
  await turns()
  assert.deepEqual(lost, ['came again'])
})

test('a stage whose work costs much keeps its channel', t => {
  assert.equal(scene(t, { isCostly: true }).doubters.length, 0)
})
