// What a delivery does to its channel, to its two signals, and to what is told of it.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import type { Channel, ConsumeMessage } from 'amqplib'
import { arrivalOf, type DeliveryOptions, LiveDelivery, Session } from '../src/broker/delivery.js'
import { amqpError, logOf } from './fake-broker.js'

const message = (properties: object = {}, redelivered = false) =>
  ({ fields: { redelivered }, properties, content: Buffer.from('body') }) as unknown as ConsumeMessage

/** Deliveries of one session, and what its channel was asked for. */
function scene(t: TestContext) {
  const clock = fakeClock(t)
  const asked: unknown[][] = []
  const told: unknown[] = []
  let answer = async () => {}
  let closed: Error | undefined
  const onChannel = (...what: unknown[]) => {
    if (closed) throw closed
    asked.push(what)
  }
  const session = new Session({
    ack: (of: unknown) => onChannel('ack', of),
    nack: (of: unknown, allUpTo: boolean, requeue: boolean) => onChannel('nack', of, allUpTo, requeue),
    prefetch: (count: number) => {
      onChannel('prefetch', count)
      return answer()
    },
  } as unknown as Channel)
  const { log, lines } = logOf()
  const deliver = (more: Partial<DeliveryOptions> = {}, of = message()) => {
    const telemetry = {
      happened: (subject: object, happening: object) => void told.push({ ...subject, ...happening }),
      settled: (queue: string, how: string) => void told.push(`${how} ${queue}`),
    }
    const options = { queue: 'q', isCostly: false, holdLimitMs: 1000, log, telemetry }
    const delivery = new LiveDelivery(session, of, { ...options, ...more })
    t.after(() => delivery[Symbol.dispose]())
    return delivery
  }
  return {
    ...{ clock, session, asked, told, lines, deliver },
    answerWith: (next: () => Promise<void>) => {
      answer = next
    },
    closeWith: (error: Error) => {
      closed = error
    },
  }
}

test('one message is acknowledged or handed back, and none before it; telemetry is told which', t => {
  const { session, asked, told, deliver } = scene(t)
  const [first, second, third] = [message(), message(), message()]
  assert.equal(deliver({}, first).ack(), true)
  assert.equal(deliver({}, second).giveBack(), true)
  session.giveBack(third)
  assert.deepEqual(asked, [
    ['ack', first],
    ['nack', second, false, true],
    ['nack', third, false, true],
  ])
  assert.deepEqual(told, ['ack q', 'nack q'], 'a message that nobody has worked on was no delivery')
  assert.equal(deliver({ telemetry: undefined }).ack(), true)
})

test('a loss ends all deliveries of the session with its first cause, and nothing is settled from then on', t => {
  const { session, asked, told, deliver } = scene(t)
  const [work, over] = [deliver(), deliver()]
  over[Symbol.dispose]()
  assert.deepEqual([session.lost, work.lost], [undefined, undefined])
  session.lose(new Error('first'))
  session.lose(new Error('second'))
  assert.equal(work.lost, session.lost)
  assert.deepEqual([work.lost?.code, work.lost?.cause], ['CHANNEL_LOST', new Error('first')])
  assert.deepEqual([work.waiting.reason, work.working.reason], [session.lost, session.lost])
  assert.equal(over.waiting.aborted, false, 'what was disposed of is nobody’s work')
  assert.deepEqual([work.ack(), work.giveBack()], [false, false])
  session.giveBack(message())
  assert.deepEqual([asked, told], [[], []])
})

test('a channel that is closed already is a loss, and no error', t => {
  const { session, told, deliver, closeWith } = scene(t)
  const [first, second] = [deliver(), deliver()]
  closeWith(amqpError(504, 'Channel closed'))
  assert.equal(first.ack(), false)
  assert.equal(second.working.reason, session.lost)
  assert.deepEqual([session.lost?.cause, told], [amqpError(504, 'Channel closed'), []])
})

test('a round trip is over when the broker has answered, leaves the prefetch as it is, and fails as the broker does', async t => {
  const { session, asked, clock, deliver, answerWith } = scene(t)
  session.prefetch = 7
  let answer = () => {}
  answerWith(
    () =>
      new Promise(resolve => {
        answer = resolve
      }),
  )
  let isOver = false
  const trip = deliver()
    .roundTrip()
    .then(() => {
      isOver = true
    })
  await clock.pass(0)
  assert.deepEqual([isOver, asked], [false, [['prefetch', 7]]])
  answer()
  await trip
  answerWith(() => Promise.reject(new Error('gone')))
  await assert.rejects(deliver().roundTrip(), /gone/)
})

test('HoldLimit ends the waiting and not the working, once it is over and not before', async t => {
  const { clock, deliver } = scene(t)
  const [held, settled, endless] = [deliver(), deliver(), deliver({ holdLimitMs: Number.POSITIVE_INFINITY })]
  await clock.pass(400)
  assert.equal(held.holdLeftMs, 600)
  settled[Symbol.dispose]()
  await clock.pass(599)
  assert.equal(held.waiting.aborted, false)
  await clock.pass(1)
  assert.deepEqual([held.waiting.reason.code, held.working.aborted], ['HOLD_LIMIT', false])
  await clock.pass(100_000)
  assert.equal(held.holdLeftMs, -100_000)
  assert.deepEqual([settled.waiting.aborted, endless.waiting.aborted], [false, false])
  assert.equal(endless.holdLeftMs, Number.POSITIVE_INFINITY)
})

test('an end of waiting leaves the work alone, an end ends both', t => {
  const { deliver } = scene(t)
  const [waiting, working] = [deliver(), deliver()]
  waiting.endWaiting(new Error('stop'))
  assert.deepEqual([waiting.waiting.reason, waiting.working.aborted], [new Error('stop'), false])
  working.end(new Error('force'))
  assert.deepEqual([working.waiting.reason, working.working.reason], [new Error('force'), new Error('force')])
})

test('it may be a repeat when the broker or its headers say so, and says so itself once work has begun', t => {
  const { deliver, session } = scene(t)
  for (const [redelivered, headers, mayBe] of [
    [false, {}, false],
    [true, {}, true],
    [false, { 'x-seen': 1 }, true],
    [false, { 'x-attempts': 3 }, false],
  ] as const) {
    const delivery = deliver({}, message({ headers }, redelivered))
    assert.deepEqual([delivery.redelivered, delivery.mayBeRepeat], [redelivered, mayBe])
  }
  const fresh = deliver({ isCostly: true })
  assert.deepEqual([fresh.headers.seen, fresh.isCostly, deliver().isCostly], [false, true, false])
  fresh.markBegun()
  assert.deepEqual([fresh.headers.seen, fresh.mayBeRepeat], [true, false])
  assert.deepEqual([fresh.isOf(session), fresh.isOf(new Session(session.channel))], [true, false])
})

test('a body that was let go of is not kept', t => {
  const { deliver } = scene(t)
  const of = message()
  const delivery = deliver({}, of)
  assert.equal(delivery.delivery.body.toString(), 'body')
  delivery.letGoOfBody()
  assert.deepEqual([delivery.body.length, of.content.length], [0, 0])
})

test('its arrival is told once, with what is known of it; that of a delay queue is no event', t => {
  const { deliver, told, lines } = scene(t)
  const known = deliver()
  known.describe({ analysisId: 'a', cuckoo: undefined, taskId: 5, other: 'x' })
  known.describe({ attempt: 2 })
  known.announce()
  known.log.info('next')
  known.tell({ event: 'waiting', for: 'room' })
  deliver({ isDelay: true }).announce()
  deliver().announce()
  assert.deepEqual(told, [
    { queue: 'q', analysisId: 'a', taskId: 5, event: 'received' },
    { queue: 'q', analysisId: 'a', taskId: 5, attempt: 2, event: 'waiting', for: 'room' },
    { queue: 'q', event: 'received' },
  ])
  assert.deepEqual(
    lines.map(({ msg, analysisId, other, attempt, bytes }) => [msg, analysisId, other, attempt, bytes]),
    [
      ['received', 'a', 'x', undefined, 4],
      ['next', 'a', 'x', 2, undefined],
      ['received', undefined, undefined, undefined, 4],
      ['received', undefined, undefined, undefined, 4],
    ],
  )
})

test('of an arrival telemetry gets headers and a message id if there are any, and whether it ends a wait', () => {
  const stage = { queue: 'q', prefetch: 1, run: () => Promise.reject(new Error('not run')) }
  const headers = { traceparent: 'x' }
  const bare = { queue: 'q', headers: {}, isWait: false, bytes: 4, messageId: undefined }
  assert.deepEqual(arrivalOf(message(), stage), bare)
  assert.deepEqual(arrivalOf(message({ messageId: 5 }), stage), bare)
  const full = { ...bare, headers, isWait: true, messageId: 'm' }
  assert.deepEqual(arrivalOf(message({ messageId: 'm', headers }), { ...stage, isWait: true }), full)
})
