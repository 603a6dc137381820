// A consumer whose channel fails, hangs, or is to be doubted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import { done, Intake, later } from '../src/index.js'
import { message, scene, turns } from './consumer-scene.js'

test('consuming or cancelling that fails is a loss, unless the channel is lost already', async t => {
  for (const [step, isLost] of [
    ['qos', false],
    ['consume', false],
    ['cancel', false],
    ['cancel', true],
  ] as const) {
    const intake = new Intake()
    const { consumer, setUp, lost } = scene(t, { intake })
    intake.close()
    const channel = await setUp()
    channel.answers.set(step, () => {
      if (isLost) consumer.lose(new Error('cut'))
      return Promise.reject(new Error(`${step} failed`))
    })
    intake.open()
    await turns()
    intake.close()
    await turns()
    assert.deepEqual(lost, isLost ? [] : [`${step} failed`])
  }
})

test('it counts as consuming only once the broker has said so, and not on the next channel before', async t => {
  const { consumer, setUp } = scene(t)
  const channel = await setUp()
  assert.equal(consumer.state.isConsuming, true)
  consumer.lose(new Error('cut'))
  assert.deepEqual(consumer.state, { queue: 'q', isConsuming: false, isAsWanted: false })
  assert.deepEqual(channel.steps, ['qos 2', 'consume q'])
  // Set up again without having heard of a loss.
  await setUp()
  const third = await setUp()
  assert.deepEqual(third.steps, ['qos 2', 'consume q'])
})

test('the end: what is done is acknowledged before the channel closes; later losses are none', async t => {
  const { consumer, setUp, stop, lost, messages } = scene(t)
  const channel = await setUp()
  stop.abort()
  await consumer.drain()
  channel.emit('close')
  assert.deepEqual([lost, messages()], [[], []])
  assert.deepEqual(channel.steps.at(-1), 'close')
})

test('a channel that does not close in a second, or cannot, is left with one line', async t => {
  const clock = fakeClock(t)
  for (const answer of [() => new Promise<never>(() => {}), () => Promise.reject(new Error('cut'))]) {
    const { consumer, setUp, stop, messages } = scene(t)
    const channel = await setUp()
    channel.answers.set('close', answer)
    stop.abort()
    let isDrained = false
    const drained = consumer.drain().then(() => {
      isDrained = true
    })
    await clock.pass(0)
    if (!isDrained) await clock.pass(999)
    if (!isDrained) await clock.pass(1)
    await drained
    assert.deepEqual(messages(), ['the connection was lost at the end; the broker may deliver messages again'])
  }
})

test('a doubt that is not certain renews the channel once, after a second in which acks go on', async t => {
  const clock = fakeClock(t)
  const { consumer, setUp, doubters, lost, finish } = scene(t)
  const doubt = (isCertain: boolean) => doubters[0]?.({ cause: isCertain ? 'certain' : 'slow', isCertain })
  doubt(false)
  const channel = await setUp()
  channel.receive(message(1))
  doubt(false)
  await clock.pass(500)
  doubt(false)
  finish[0]?.(done())
  await clock.pass(499)
  assert.deepEqual([lost, channel.steps.at(-1)], [[], 'ack 1'])
  await clock.pass(1)
  assert.deepEqual(lost, ['slow'])
  await clock.pass(1000)
  assert.deepEqual(lost, ['slow'])
  doubt(true)
  await clock.pass(0)
  assert.deepEqual(lost, ['slow', 'certain'])
  // A channel that is new by then, or a process that stops, is left alone.
  doubt(true)
  await setUp()
  await clock.pass(0)
  doubt(true)
  consumer.lose(new Error('cut'))
  await clock.pass(0)
  assert.equal(lost.length, 2)
})

test('a doubt while the process stops renews nothing', async t => {
  const clock = fakeClock(t)
  const { setUp, doubters, lost, stop } = scene(t)
  await setUp()
  doubters[0]?.({ cause: 'slow', isCertain: false })
  stop.abort()
  await clock.pass(1000)
  assert.deepEqual(lost, [])
})

test('bytes in hand: consuming stops while there is no room, and goes on when a message has left', async t => {
  const { consumer, setUp, finish } = scene(t, { bytesInHand: 1000, prefetch: 10 })
  const channel = await setUp()
  assert.deepEqual(channel.steps, ['qos 1', 'consume q'])
  channel.receive(message(1, 'x'.repeat(100)))
  await turns()
  assert.deepEqual(channel.steps.slice(2), ['cancel tag 2', 'qos 9', 'consume q'])
  channel.receive(message(2, 'x'.repeat(900)))
  await turns()
  assert.deepEqual(channel.steps.slice(5), ['cancel tag 5'])
  assert.deepEqual(consumer.state, { queue: 'q', isConsuming: false, isAsWanted: true })
  channel.receive(message(3, 'x'.repeat(900)))
  await turns()
  assert.deepEqual(channel.steps.slice(6), ['nack 3 true'])
  finish[1]?.(done())
  await turns()
  assert.deepEqual(channel.steps.slice(7), ['ack 2', 'qos 1', 'consume q'])
  finish[0]?.(done())
  await turns()
  assert.equal(consumer.inWork, 0)
})

test('each message is told of: received once it is known what it is about, settled, and how long it took', async t => {
  const clock = fakeClock(t)
  const { setUp, told, finish, lines } = scene(t, {
    run: async delivery => {
      if (delivery.delivery.body.toString() === 'described')
        delivery.describe({ analysisId: 'a', md5: undefined, taskId: 7, other: 1 })
      await new Promise<void>(resolve => finish.push(() => resolve()))
      delivery.describe({ cuckoo: 'c' })
      return done()
    },
  })
  const channel = await setUp()
  channel.receive(message(1, 'described'))
  await clock.pass(0)
  assert.deepEqual(told, [{ queue: 'q', analysisId: 'a', taskId: 7, event: 'received' }])
  const { msg, bytes, redelivered, analysisId, other } = lines.at(-1) ?? {}
  assert.deepEqual([msg, bytes, redelivered, analysisId, other], ['received', 9, false, 'a', 1])
  await clock.pass(1500)
  finish[0]?.(done())
  await clock.pass(0)
  assert.deepEqual(told.slice(1), [
    { queue: 'q', analysisId: 'a', taskId: 7, cuckoo: 'c', event: 'done' },
    ['ack', 'q'],
    ['delivery', 'q', 1.5],
  ])
})

test('what is not described is told of all the same, and a throw after a mark says so to the next', async t => {
  const marks: unknown[] = []
  const { setUp, told } = scene(t, {
    run: async delivery => {
      delivery.markBegun()
      marks.push(delivery.headers.seen)
      return later()
    },
  })
  const channel = await setUp()
  channel.receive(message(1))
  await turns()
  assert.deepEqual(marks, [true])
  assert.deepEqual(told.slice(0, 2), [{ queue: 'q', event: 'received' }, ['ack', 'q']])
})

test('an ack that finds the channel closed loses it for all that is in hand, and none of them is settled', async t => {
  const { consumer, setUp, finish, told } = scene(t)
  const channel = await setUp()
  channel.ack = () => {
    throw new Error('Channel closed')
  }
  channel.receive(message(1))
  channel.receive(message(2))
  await turns()
  finish[0]?.(done())
  await turns()
  assert.equal(consumer.inWork, 0)
  assert.equal(channel.steps.length, 2)
  assert.ok(!told.some(entry => Array.isArray(entry) && entry[0] === 'ack'))
  assert.equal(consumer.state.isAsWanted, false)
})

test('what does not fit any more goes back on its own channel only while that lives', async t => {
  const { consumer, setUp } = scene(t, { bytesInHand: 10 })
  const channel = await setUp()
  channel.receive(message(1, 'x'.repeat(8)))
  channel.receive(message(2, 'x'.repeat(8)))
  consumer.lose(new Error('cut'))
  const next = await setUp()
  await turns()
  assert.ok(![...channel.steps, ...next.steps].some(step => step.startsWith('nack')))
  const third = await setUp()
  const bodies: number[] = []
  third.nack = ({ content }) => void bodies.push(content.length)
  third.receive(message(1, 'x'.repeat(8)))
  third.receive(message(2, 'x'.repeat(8)))
  await turns()
  assert.deepEqual(bodies, [0], 'no body is kept meanwhile')
})
