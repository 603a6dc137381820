// How queues are declared, and what a channel for a moment does at its end.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import type { Channel, ChannelModel } from 'amqplib'
import { lookAtQueue } from '../src/broker/look.js'
import { declareQueue, declareQueues, onChannel, stageQueues } from '../src/broker/queues.js'
import { Silence } from '../src/broker/silence.js'
import { amqpError, FakeBroker, logOf } from './fake-broker.js'

const config = { ConsumerQueue: 'in', ProducerQueue: 'out', FailedQueue: 'failed' }

test('a stage declares what it consumes, what it writes to and where failures go; with quorum queues also what those give up', () => {
  const dead = { deadLetterTo: 'failed' }
  const failed = { name: 'failed', deadLetterTo: 'failed.lost' }
  const own = { name: 'in', isConsumed: true, ...dead }
  assert.deepEqual(stageQueues(config, 'classic'), [own, { name: 'out', isConsumed: false, ...dead }, failed])
  assert.deepEqual(stageQueues({ ...config, ProducerQueue: '' }, 'classic'), [own, failed])
  assert.deepEqual(stageQueues({ ...config, ProducerQueue: 'in' }, 'classic'), [own, failed], 'each once')
  assert.deepEqual(stageQueues(config, 'quorum').at(-1), { name: 'failed.lost' })
})

test('queues are durable; classic ones have no arguments, quorum ones refuse rather than drop and dead-letter at least once', async () => {
  const broker = new FakeBroker()
  const model = await broker.connect({ shown: 'h' })
  const options = { silence: new Silence(logOf().log) }
  const queues = [{ name: 'in', deadLetterTo: 'failed' }, { name: 'lost' }]
  await declareQueues(model, queues, { ...options, type: 'classic' })
  const declared = () => queues.map(({ name }) => broker.declared.get(name))
  assert.deepEqual(declared(), [{ durable: true }, { durable: true }])
  await declareQueues(model, queues, { ...options, type: 'quorum' })
  const base = { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish', 'x-delivery-limit': 1000 }
  const dead = {
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': 'failed',
    'x-dead-letter-strategy': 'at-least-once',
  }
  assert.deepEqual(declared(), [
    { durable: true, arguments: { ...base, ...dead } },
    { durable: true, arguments: base },
  ])
  assert.equal(broker.steps.filter(step => step === 'close channel').length, 2)
})

test('other arguments are told in words, another refusal as it is', async () => {
  const channel = (error: Error) => ({ assertQueue: () => Promise.reject(error) }) as unknown as Channel
  const mismatch = amqpError(406, 'PRECONDITION_FAILED')
  await assert.rejects(declareQueue(channel(mismatch), { name: 'in' }, 'quorum'), {
    code: 'QUEUE_MISMATCH',
    cause: mismatch,
    message: /^queue "in" exists with other arguments than QueueType "quorum" declares/,
  })
  await assert.rejects(declareQueue(channel(amqpError(403, 'no')), { name: 'in' }, 'quorum'), amqpError(403, 'no'))
})

test('a broker that does not answer is given up after 30 s, and named after 10', async t => {
  const clock = fakeClock(t)
  const broker = new FakeBroker()
  broker.onQueue = () => new Promise(() => {})
  const model = await broker.connect({ shown: 'h' })
  const { log, lines } = logOf()
  let failure: unknown
  const declared = declareQueues(model, [{ name: 'in' }], { type: 'classic', silence: new Silence(log) }).catch(
    (error: unknown) => {
      failure = error
    },
  )
  await clock.pass(10_000)
  assert.deepEqual(
    lines.map(({ step }) => step),
    ['declaration of "in"'],
  )
  await clock.pass(19_999)
  assert.equal(failure, undefined)
  await clock.pass(1)
  await declared
  assert.deepEqual(failure, new Error('no answer within 30 s'))
})

test('a channel for a moment is closed whatever happens, also when it is closed already', async () => {
  const { signal } = new AbortController()
  const closed: string[] = []
  const model = (close: () => Promise<void>) => {
    const channel = Object.assign(new EventEmitter(), { close })
    return { channel, model: { createChannel: async () => channel } as unknown as ChannelModel }
  }
  const one = model(async () => void closed.push('closed'))
  assert.equal(await onChannel(one.model, signal, 1000, async () => 'used'), 'used')
  await assert.rejects(
    onChannel(one.model, signal, 1000, async () => {
      one.channel.emit('error', new Error('nobody else listens'))
      throw new Error('refused')
    }),
    /refused/,
  )
  assert.deepEqual(closed, ['closed', 'closed'])
  const other = model(() => Promise.reject(new Error('it is closed')))
  assert.equal(await onChannel(other.model, signal, 1000, async () => 5), 5)
  const stop = new AbortController()
  const stopped = onChannel(one.model, stop.signal, 1000, () => new Promise(() => {}))
  stop.abort(new Error('stop'))
  await assert.rejects(stopped, /stop/)
})

test('a queue is there, missing, or unknown with the reason; a look that is cut off says nothing', async () => {
  const broker = new FakeBroker()
  const model = await broker.connect({ shown: 'h' })
  const stop = new AbortController()
  const look = (name: string) => lookAtQueue(model, name, stop.signal)
  broker.onQueue = queue => {
    if (queue === 'missing') throw amqpError(404, "NOT_FOUND - no queue 'missing' in vhost '/'")
    if (queue === 'vhost') throw amqpError(404, 'NOT_FOUND - home node is down')
    if (queue === 'forbidden') throw amqpError(403, 'NOT_FOUND - no queue: so it says')
    if (queue === 'cut') stop.abort(new Error('stop'))
  }
  assert.deepEqual(await look('in'), { name: 'in', state: 'there', messages: 3, consumers: 2 })
  assert.deepEqual(await look('missing'), { name: 'missing', state: 'missing' })
  const down = { name: 'vhost', state: 'unknown', why: 'NOT_FOUND - home node is down' }
  assert.deepEqual(await look('vhost'), down)
  assert.equal((await look('forbidden')).state, 'unknown')
  broker.onQueue = () => {
    stop.abort(new Error('stop'))
    throw amqpError(404, 'NOT_FOUND - no queue')
  }
  await assert.rejects(look('in'), /stop/)
})
