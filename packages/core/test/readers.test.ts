// Asking all readers of events, before readers that answer, are silent, or are not there.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { type TestContext, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import type { ChannelModel } from 'amqplib'
import { askReaders } from '../src/broker/readers.js'
import { amqpError } from './fake-broker.js'

type Take = (message: { content: Buffer; properties: object } | null) => void

function scene(t: TestContext, consume: () => Promise<void> = async () => {}) {
  const clock = fakeClock(t)
  const steps: unknown[] = []
  let take: Take = () => assert.fail('nobody listens for answers')
  const channel = Object.assign(new EventEmitter(), {
    consume: (queue: string, taken: Take, options: object) => {
      steps.push(['consume', queue, options])
      take = taken
      return consume()
    },
    publish: (exchange: string, key: string, body: Buffer, options: object) =>
      void steps.push(['publish', exchange, key, String(body), options]),
    close: async () => {
      steps.push('close')
      throw new Error('it is closed already')
    },
  })
  const heard: string[] = []
  let outcome: unknown = 'waits'
  const asked = askReaders({ createChannel: async () => channel } as unknown as ChannelModel, {
    failedQueue: 'failed',
    question: Buffer.from('who?'),
    limitMs: 3000,
    hear: answer => heard.push(String(answer)) === 2,
  }).then(
    () => {
      outcome = 'over'
    },
    (error: unknown) => {
      outcome = error
    },
  )
  const answer = (text: string, correlationId: unknown) =>
    take({ content: Buffer.from(text), properties: { correlationId } })
  return { clock, channel, steps, heard, asked, answer, take: () => take(null), outcome: () => outcome }
}

/** What the question was published with. */
function terms(steps: readonly unknown[]): Record<string, unknown> {
  const published = steps.find(step => Array.isArray(step) && step[0] === 'publish')
  return Array.isArray(published) ? published[4] : assert.fail('nothing was asked')
}

test('answers to this question are heard until no other is wanted', async t => {
  const { clock, steps, heard, asked, answer, take, outcome } = scene(t)
  await clock.pass(0)
  const { correlationId, ...rest } = terms(steps)
  assert.deepEqual(rest, { replyTo: 'amq.rabbitmq.reply-to', mandatory: true, expiration: 3000 })
  assert.deepEqual(steps, [
    ['consume', 'amq.rabbitmq.reply-to', { noAck: true }],
    ['publish', 'failed.overseers', '', 'who?', terms(steps)],
  ])
  answer('of another', 'other')
  take()
  answer('one', correlationId)
  await clock.pass(2999)
  assert.deepEqual([heard, outcome()], [['one'], 'waits'])
  answer('two', correlationId)
  await asked
  assert.deepEqual([heard, outcome(), steps.at(-1)], [['one', 'two'], 'over', 'close'])
})

test('the time is over without an error, whoever has answered', async t => {
  const { clock, asked, outcome } = scene(t)
  await clock.pass(3000)
  await asked
  assert.equal(outcome(), 'over')
})

test('nobody listens: the question comes back, or there is no exchange', async t => {
  for (const end of [
    (channel: EventEmitter) => channel.emit('return', {}),
    (channel: EventEmitter) => channel.emit('error', amqpError(404, 'NOT_FOUND - no exchange')),
  ]) {
    const { clock, channel, asked, outcome } = scene(t)
    await clock.pass(0)
    end(channel)
    await asked
    assert.equal(outcome(), 'over')
    t.mock.reset()
  }
})

test('another error of the broker is told, and the channel closed', async t => {
  const refused = amqpError(403, 'ACCESS_REFUSED')
  const late = scene(t)
  await late.clock.pass(0)
  late.channel.emit('error', refused)
  await late.asked
  assert.deepEqual([late.outcome(), late.steps.at(-1)], [refused, 'close'])
  t.mock.reset()
  const early = scene(t, () => Promise.reject(refused))
  await early.asked
  assert.deepEqual([early.outcome(), early.steps.at(-1)], [refused, 'close'])
})
