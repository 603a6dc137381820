// Publishing on one channel, against a channel that answers when the test says so.
import assert from 'node:assert/strict'
import { EventEmitter, getEventListeners } from 'node:events'
import { type TestContext, test } from 'node:test'
import { type FakeClock, fakeClock } from '@cuckoo-distributed/testing'
import type { ChannelModel } from 'amqplib'
import { pino } from 'pino'
import {
  BrokerSizeLimitError,
  ConfirmChannel,
  type Outgoing,
  UnknownOutcomeError,
} from '../src/broker/confirm-channel.js'
import { ReadingTime } from '../src/broker/reading-time.js'
import { Silence } from '../src/broker/silence.js'
import { Unanswered } from '../src/broker/unanswered.js'

type OnAnswer = (refusal: unknown) => void

class FakeChannel extends EventEmitter {
  readonly sent: { id: string; answer: OnAnswer }[] = []
  isClosed = false

  publish(_exchange: string, _queue: string, _body: Buffer, options: { messageId: string }, answer: OnAnswer): boolean {
    if (this.isClosed) throw Object.assign(new Error('Channel closed'), { name: 'IllegalOperationError' })
    this.sent.push({ id: options.messageId, answer })
    return true
  }

  /** As amqplib does: what is in flight fails first, then the channel says why. */
  fail(error: Error): void {
    this.isClosed = true
    for (const { answer } of this.sent.splice(0)) answer(new Error('channel closed'))
    this.emit('error', error)
    this.emit('close')
  }
}

interface SetUp {
  clock?: FakeClock
  places?: number
  patienceMs?: number
  quietMs?: number
  silentMs?: number
  maxBytes?: number
}

function setUp(t: TestContext, options: SetUp = {}) {
  const { patienceMs = 60_000, clock = fakeClock(t) } = options
  const lines: Record<string, unknown>[] = []
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const channels: FakeChannel[] = []
  let open = async () => {}
  const model = {
    createConfirmChannel: async () => {
      await open()
      const channel = new FakeChannel()
      channels.push(channel)
      return channel
    },
  } as unknown as ChannelModel
  const readingTime = new ReadingTime()
  let lateAnswers = 0
  const unanswered = new Unanswered({
    readingTime,
    maxBytes: options.maxBytes ?? 1000,
    quietMs: options.quietMs ?? 60_000,
    patienceMs,
    onLateAnswer: () => {
      lateAnswers += 1
    },
  })
  const channel = new ConfirmChannel({
    connection: { connected: async () => model, readingTime },
    silence: new Silence(log, options.silentMs ?? 60_000),
    unanswered,
    places: options.places ?? 10,
    patienceMs,
  })
  const controller = new AbortController()
  let count = 0
  const publish = (bytes = 1, signal = controller.signal, more: Partial<Outgoing> = {}) => {
    count += 1
    const message = { queue: 'q', body: Buffer.alloc(bytes), headers: {}, messageId: `m${count}`, ...more }
    const outcome = channel.publish(message, signal)
    outcome.catch(() => undefined)
    return outcome
  }
  const sent = (index = 0) => channels[index]?.sent ?? []
  const untilSent = async (times: number, index = 0) => {
    await clock.pass(0)
    assert.equal(sent(index).length, times)
  }
  const holdOpening = (until: Promise<void>) => {
    open = () => until
  }
  return {
    publish,
    clock,
    sent,
    untilSent,
    channels,
    controller,
    readingTime,
    lines,
    holdOpening,
    lateAnswers: () => lateAnswers,
  }
}

test('confirmed, nacked and returned are told apart', async t => {
  const { publish, sent, untilSent, channels } = setUp(t)
  const outcomes = [publish(), publish(), publish()]
  await untilSent(3)
  channels[0]?.emit('return', { properties: { messageId: 'm3' } })
  channels[0]?.emit('return', { properties: {} })
  sent()[0]?.answer(null)
  sent()[1]?.answer(new Error('message nacked'))
  sent()[2]?.answer(null)
  assert.deepEqual(await Promise.all(outcomes), ['confirmed', 'nacked', 'returned'])
})

test('a wait that ends before the channel is open sends nothing', async t => {
  const { publish, sent, channels, controller, holdOpening, clock } = setUp(t)
  let opened = () => {}
  holdOpening(
    new Promise(resolve => {
      opened = resolve
    }),
  )
  const outcome = publish()
  await clock.pass(0)
  opened()
  controller.abort(new Error('HoldLimit'))
  await assert.rejects(outcome, /HoldLimit/)
  await clock.pass(0)
  assert.equal(channels.length, 1)
  assert.deepEqual(sent(), [])
})

test('whenever a wait ends, nothing is sent from then on', async t => {
  const clock = fakeClock(t)
  for (let steps = 0; steps < 40; steps += 1) {
    const { publish, sent, controller } = setUp(t, { clock })
    const outcome = publish()
    for (let step = 0; step < steps; step += 1) await Promise.resolve()
    const before = sent().length
    controller.abort(new Error('HoldLimit'))
    await assert.rejects(outcome, /HoldLimit/)
    await clock.pass(0)
    assert.equal(sent().length, before, `after ${steps} steps`)
  }
})

test('a wait that ends while the channel opens ends at once', async t => {
  const { publish, controller, holdOpening, clock } = setUp(t)
  holdOpening(new Promise(() => undefined))
  const outcome = publish()
  await clock.pass(0)
  controller.abort(new Error('HoldLimit'))
  await assert.rejects(outcome, /HoldLimit/)
})

test('a wait that ends frees its place at once, and its bytes when the answer comes; no listener stays', async t => {
  const { publish, sent, untilSent, controller, clock } = setUp(t, { places: 1, maxBytes: 10 })
  const first = publish(10)
  await untilSent(1)
  const { signal } = controller
  controller.abort(new Error('HoldLimit'))
  await assert.rejects(first, /HoldLimit/)
  assert.equal(getEventListeners(signal, 'abort').length, 0)

  const other = setUp(t, { clock, places: 1, maxBytes: 10 })
  const waits = [other.publish(10), other.publish(1)]
  await other.untilSent(1)
  await clock.pass(0)
  assert.equal(other.sent().length, 1)
  other.sent()[0]?.answer(null)
  await other.untilSent(2)
  other.sent()[1]?.answer(null)
  assert.deepEqual(await Promise.all(waits), ['confirmed', 'confirmed'])
  assert.equal(getEventListeners(other.controller.signal, 'abort').length, 0)
  sent()[0]?.answer(null)
})

for (const end of ['answered', 'lost with their channel']) {
  test(`bytes that nobody waits for any more count until they are ${end}`, async t => {
    const { publish, sent, untilSent, controller, channels, clock } = setUp(t, { maxBytes: 10 })
    const first = publish(10)
    await untilSent(1)
    controller.abort(new Error('HoldLimit'))
    await assert.rejects(first, /HoldLimit/)
    const second = publish(1, new AbortController().signal)
    await clock.pass(0)
    assert.equal(sent().length, 1)
    if (end === 'answered') sent()[0]?.answer(null)
    else channels[0]?.fail(new Error('connection lost'))
    const index = end === 'answered' ? 0 : 1
    await untilSent(2 - index, index)
    sent(index).at(-1)?.answer(null)
    assert.equal(await second, 'confirmed')
  })
}

test('a publish without an answer is named, leaves its place, and its late answer counts', async t => {
  const { publish, sent, untilSent, lines, clock } = setUp(t, { places: 1, silentMs: 5, patienceMs: 20 })
  const [first, second] = [publish(), publish()]
  await untilSent(1)
  await clock.pass(4)
  assert.equal(lines.length, 0)
  await clock.pass(1)
  assert.equal(lines.length, 1)
  await clock.pass(14)
  assert.equal(sent().length, 1)
  await clock.pass(1)
  assert.equal(sent().length, 2)
  assert.deepEqual(
    lines.map(({ msg, step, seconds }) => [msg, step, seconds]),
    [['the broker does not answer; waiting', 'confirm of a message for "q"', 0.005]],
  )
  sent()[0]?.answer(null)
  sent()[1]?.answer(null)
  assert.deepEqual(await Promise.all([first, second]), ['confirmed', 'confirmed'])
  assert.deepEqual(
    lines.slice(1).map(({ msg }) => msg),
    ['the broker answers again'],
  )
})

test('a publish keeps its place while it is not too late, and while the broker reads nothing', async t => {
  const { publish, sent, untilSent, readingTime, lines, clock } = setUp(t, { places: 1, silentMs: 5, patienceMs: 10 })
  readingTime.block()
  const [first, second] = [publish(), publish()]
  await clock.pass(60)
  assert.equal(sent().length, 1)
  assert.deepEqual(lines, [])
  sent()[0]?.answer(null)
  assert.equal(await first, 'confirmed')
  await untilSent(2)
  sent()[1]?.answer(null)
  assert.equal(await second, 'confirmed')
})

test('to a queue that is silent nothing more is sent until it answers; to others it is', async t => {
  const { publish, sent, untilSent, clock, lateAnswers } = setUp(t, { quietMs: 5 })
  const early = [publish(), publish()]
  await untilSent(2)
  await clock.pass(6)
  const late = [publish(), publish()]
  const other = publish(1, undefined, { queue: 'other' })
  await untilSent(3)
  await clock.pass(0)
  assert.deepEqual(
    sent().map(({ id }) => id),
    ['m1', 'm2', 'm5'],
  )
  sent()[2]?.answer(null)
  assert.equal(await other, 'confirmed')
  await clock.pass(0)
  assert.equal(sent().length, 3, 'the answer of another queue says nothing')
  sent()[1]?.answer(null)
  await untilSent(5)
  for (const { answer } of sent()) answer(null)
  await Promise.all([...early, ...late])
  assert.equal(lateAnswers(), 0)
})

test('a silent queue is asked by one message at a time, ever more rarely', async t => {
  const { publish, sent, untilSent, clock, lateAnswers } = setUp(t, { quietMs: 1, patienceMs: 15 })
  const outcomes = [publish()]
  await untilSent(1)
  await clock.pass(2)
  for (let more = 0; more < 4; more += 1) outcomes.push(publish())
  for (const [count, ms] of [
    [2, 58],
    [3, 120],
    [4, 240],
  ] as const) {
    await clock.pass(ms - 1)
    assert.equal(sent().length, count - 1)
    await clock.pass(1)
    assert.equal(sent().length, count)
  }
  sent()[0]?.answer(null)
  await untilSent(5)
  assert.equal(lateAnswers(), 1)
  for (const { answer } of sent()) answer(null)
  await Promise.all(outcomes)
})

test('who comes when it is time to ask a silent queue does so at once', async t => {
  const { publish, sent, untilSent, clock } = setUp(t, { quietMs: 1, patienceMs: 10 })
  const first = publish()
  await untilSent(1)
  await clock.pass(60)
  const second = publish()
  await untilSent(2)
  const third = publish()
  await clock.pass(79)
  assert.equal(sent().length, 2)
  for (const { answer } of sent()) answer(null)
  await untilSent(3)
  sent()[2]?.answer(null)
  await Promise.all([first, second, third])
})

test('what follows from a delivery that came during the silence asks at once, and then more rarely', async t => {
  const { publish, sent, untilSent, clock } = setUp(t, { quietMs: 30 })
  const early = performance.now()
  const outcomes = [publish(1, undefined, { arrivedAt: early })]
  await untilSent(1)
  await clock.pass(31)
  await clock.pass(5)
  outcomes.push(publish(1, undefined, { arrivedAt: early }))
  await untilSent(1)
  for (let more = 0; more < 3; more += 1) outcomes.push(publish(1, undefined, { arrivedAt: performance.now() }))
  await untilSent(2)
  for (const [count, ms] of [
    [3, 30],
    [4, 60],
  ] as const) {
    await clock.pass(ms - 1)
    assert.equal(sent().length, count - 1)
    await clock.pass(1)
    assert.equal(sent().length, count)
  }
  assert.ok(!sent().some(({ id }) => id === 'm2'))
  sent()[0]?.answer(null)
  await untilSent(5)
  for (const { answer } of sent()) answer(null)
  await Promise.all(outcomes)
})

test('what waits for a silent queue can be called off: by its signal, and by what is known once it may be sent', async t => {
  const { publish, sent, untilSent, clock, lateAnswers } = setUp(t, { quietMs: 1, patienceMs: 10 })
  const first = publish()
  await untilSent(1)
  await clock.pass(2)
  const patience = new AbortController()
  const second = publish(1, patience.signal)
  patience.abort(new Error('HoldLimit'))
  await assert.rejects(second, /HoldLimit/)
  assert.equal(getEventListeners(patience.signal, 'abort').length, 0)
  const admit = () => {
    if (lateAnswers() > 0) throw new Error('given to someone else')
  }
  const asking = publish(1, undefined, { admit })
  await clock.pass(37)
  assert.equal(sent().length, 1)
  await clock.pass(1)
  assert.equal(sent().length, 2)
  const third = publish(1, undefined, { admit })
  sent()[0]?.answer(null)
  await assert.rejects(third, /given to someone else/)
  assert.equal(sent().length, 2)
  sent()[1]?.answer(null)
  assert.deepEqual(await Promise.all([first, asking]), ['confirmed', 'confirmed'])
})

test('nobody is left to answer once the channel is dead: what waited is sent on the next one', async t => {
  const { publish, sent, untilSent, clock, channels, lateAnswers } = setUp(t, { quietMs: 1 })
  const first = publish()
  await untilSent(1)
  await clock.pass(2)
  const second = publish()
  await clock.pass(0)
  channels[0]?.fail(new Error('connection lost'))
  await assert.rejects(first, UnknownOutcomeError)
  await untilSent(1, 1)
  sent(1)[0]?.answer(null)
  assert.equal(await second, 'confirmed')
  assert.equal(lateAnswers(), 0)
})

test('a channel that dies late is no late answer', async t => {
  const { publish, untilSent, clock, channels, sent, lateAnswers } = setUp(t, { quietMs: 1, patienceMs: 2 })
  const first = publish()
  await untilSent(1)
  await clock.pass(2)
  await clock.pass(20)
  channels[0]?.fail(new Error('connection lost'))
  await assert.rejects(first, UnknownOutcomeError)
  const second = publish()
  await untilSent(1, 1)
  sent(1)[0]?.answer(null)
  assert.equal(await second, 'confirmed')
  assert.equal(lateAnswers(), 0)
})

test('under an alarm of the broker no queue is silent', async t => {
  const { publish, sent, untilSent, readingTime, clock } = setUp(t, { quietMs: 1, patienceMs: 2 })
  readingTime.block()
  const first = publish()
  await untilSent(1)
  await clock.pass(20)
  const second = publish()
  await untilSent(2)
  for (const { answer } of sent()) answer(null)
  await Promise.all([first, second])
})

test('an answer in time is never named as late', async t => {
  const { publish, sent, untilSent, lines, clock } = setUp(t, { silentMs: 20, patienceMs: 30 })
  const outcome = publish()
  await untilSent(1)
  sent()[0]?.answer(null)
  await outcome
  await clock.pass(60)
  assert.deepEqual(lines, [])
})

test('a channel that dies leaves the outcome unknown, and the next publish has a channel of its own', async t => {
  const { publish, sent, untilSent, channels } = setUp(t, { places: 1, maxBytes: 1 })
  const first = publish()
  await untilSent(1)
  channels[0]?.fail(new Error('CHANNEL_ERROR - second "channel.open" seen'))
  await assert.rejects(first, (error: unknown) => {
    return error instanceof UnknownOutcomeError && /second "channel.open" seen/.test(error.message)
  })
  const second = publish()
  await untilSent(1, 1)
  sent(1)[0]?.answer(null)
  assert.equal(await second, 'confirmed')
  assert.equal(channels.length, 2)
})

test('a channel that is closed before it says so is no fault of the message', async t => {
  const { publish, sent, untilSent, channels } = setUp(t)
  const first = publish()
  await untilSent(1)
  sent()[0]?.answer(null)
  await first
  assert.ok(channels[0])
  channels[0].isClosed = true
  await assert.rejects(publish(), UnknownOutcomeError)
})

test('a channel that cannot be opened is no channel, and another one is tried', async t => {
  const { publish, sent, untilSent, holdOpening } = setUp(t)
  holdOpening(Promise.reject(new Error('no more channels')))
  await assert.rejects(publish(), (error: unknown) => {
    return error instanceof UnknownOutcomeError && error.cause instanceof Error && /no more/.test(error.cause.message)
  })
  holdOpening(Promise.resolve())
  const second = publish()
  await untilSent(1)
  sent()[0]?.answer(null)
  assert.equal(await second, 'confirmed')
})

test('of what was in flight only that which is above the limit of the broker is too large', async t => {
  const { publish, untilSent, channels } = setUp(t)
  const [atLimit, above] = [publish(4), publish(5)]
  await untilSent(2)
  const refusal = new Error('PRECONDITION_FAILED - message size 5 is larger than configured max size 4')
  channels[0]?.fail(Object.assign(refusal, { code: 406 }))
  await assert.rejects(atLimit, UnknownOutcomeError)
  await assert.rejects(above, BrokerSizeLimitError)
})

test('all who publish share one channel', async t => {
  const { publish, sent, untilSent, channels } = setUp(t)
  const outcomes = [publish(), publish(), publish()]
  await untilSent(3)
  assert.equal(channels.length, 1)
  for (const { answer } of sent()) answer(null)
  await Promise.all(outcomes)
})
