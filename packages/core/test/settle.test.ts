// The table of outcomes without a broker: which steps, in which order, and what is left undone.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { BrokerSizeLimitError } from '../src/broker/confirm-channel.js'
import { DeliveryDoubtfulError } from '../src/broker/publisher.js'
import { again, done, forward, HoldLimitReached, later, PermanentError, ServiceError } from '../src/index.js'
import { settleScene } from './settle-scene.js'

const BODY = Buffer.from('onward')
const OWN_HEADERS = { 'x-attempts': 1, 'x-visited': '["q"]', 'x-since': '{"a":5}', 'x-death': 'foreign' }
const threw = (error: unknown) => ({ kind: 'threw', error }) as const
const refused = new ServiceError('UNDELIVERABLE', 'the queue refused it')
const tooLarge = new BrokerSizeLimitError('failed', 9, new Error('frame'))

describe('forward', () => {
  test('is confirmed before it is acknowledged, and what follows waits for a round trip', async t => {
    const { settle, steps, sent, told, delivery } = settleScene(t, { headers: OWN_HEADERS })
    await settle(
      forward('next', BODY, {
        carriedOut: () => steps.push('carried out'),
        afterwards: async signal => void steps.push(`afterwards ${signal === delivery.working}`),
      }),
    )
    assert.deepEqual(steps, ['publish next', 'carried out', 'ack', 'round trip 7', 'afterwards true'])
    assert.deepEqual(sent[0]?.headers, { 'x-visited': '["q"]' })
    assert.deepEqual([sent[0]?.body, sent[0]?.terms], [BODY, { from: delivery }])
    assert.deepEqual(told, [{ at: Date.now(), event: 'forwarded', to: 'next' }])
    assert.equal(getEventListeners(delivery.working, 'abort').length, 0)
  })

  test('is marked as seen where the delivery may be a repeat', async t => {
    for (const options of [{ redelivered: true }, { headers: { 'x-seen': 1 } }]) {
      const { settle, sent } = settleScene(t, options)
      await settle(forward('next', BODY))
      assert.deepEqual(sent[0]?.headers, { 'x-seen': 1 })
      t.mock.reset()
    }
  })

  test('as it came: all own headers, and no limit of size', async t => {
    const { settle, sent, delivery, told } = settleScene(t, { headers: OWN_HEADERS, redelivered: true })
    await settle(forward('next', BODY, { carry: 'all', told: { event: 'retried' } }))
    const { 'x-death': _, ...own } = OWN_HEADERS
    assert.deepEqual(sent[0]?.headers, own)
    assert.deepEqual(sent[0]?.terms, { from: delivery, maxBytes: Number.POSITIVE_INFINITY })
    assert.equal(told[0]?.event, 'retried')
  })

  test('what follows an ack is left out where the channel is gone, and its failure harms nothing', async t => {
    const gone = settleScene(t)
    gone.closeChannel()
    await gone.settle(forward('next', BODY, { afterwards: async () => void gone.steps.push('afterwards') }))
    assert.deepEqual(gone.steps, ['publish next'])
    assert.match(gone.said(40).join(), /lost before the ack/)
    t.mock.reset()
    const failing = settleScene(t)
    await failing.settle(forward('next', BODY, { afterwards: () => Promise.reject(new Error('x')) }))
    assert.deepEqual(failing.steps, ['publish next', 'ack', 'round trip 7'])
    assert.match(failing.said(40).join(), /a follow-up action after the ack failed/)
  })

  test('that is refused fails, or becomes what the stage says instead', async t => {
    const failing = settleScene(t, { answers: [refused] })
    await failing.settle(forward('next', BODY, { carriedOut: () => failing.steps.push('carried out') }))
    assert.deepEqual(failing.steps, ['publish next', 'publish failed', 'ack'])
    assert.deepEqual(failing.told[0]?.code, 'UNDELIVERABLE')
    t.mock.reset()
    const other = settleScene(t, { answers: [refused] })
    await other.settle(forward('next', BODY, { orElse: async refusal => (refusal === refused ? later() : done()) }))
    assert.deepEqual(other.steps, ['publish next', 'publish own', 'ack'])
  })

  test('nobody is asked for another outcome when the delivery is in doubt or the time is over', async t => {
    const doubtful = settleScene(t, { answers: [new DeliveryDoubtfulError()] })
    await doubtful.settle(forward('next', BODY, { orElse: async () => done() }))
    assert.deepEqual(doubtful.steps, ['publish next', 'nack false true'])
    assert.deepEqual(
      doubtful.told.map(({ event, reason }) => [event, reason]),
      [['given back', new DeliveryDoubtfulError().message]],
    )
    t.mock.reset()
    const slow = settleScene(t, { answers: ['no answer'], holdLimitMs: 1000, leastPublishMs: 2000 })
    const settling = slow.settle(forward('next', BODY, { orElse: async () => done() }))
    await slow.clock.pass(1999)
    assert.deepEqual(slow.steps, ['publish next'])
    await slow.clock.pass(1)
    await settling
    assert.deepEqual(slow.steps, ['publish next', 'publish own', 'ack'])
  })

  test('a doubtful delivery whose channel is gone tells nothing: the broker gives it back', async t => {
    const { settle, steps, told, closeChannel } = settleScene(t, { answers: [new DeliveryDoubtfulError()] })
    closeChannel()
    await settle(forward('next', BODY))
    assert.deepEqual([steps, told], [['publish next'], []])
  })
})

test('done is acknowledged, and told of before', async t => {
  const { settle, steps, told } = settleScene(t)
  await settle(done({ carriedOut: () => steps.push(`carried out ${told.length}`), told: { event: 'complete' } }))
  assert.deepEqual(steps, ['carried out 0', 'ack'])
  assert.deepEqual(told, [{ event: 'complete' }])
})

test('later goes to the end of its own queue with all own headers and is no failure', async t => {
  for (const redelivered of [false, true]) {
    const { settle, steps, sent, told, delivery } = settleScene(t, { headers: OWN_HEADERS, redelivered })
    await settle(redelivered ? threw(new HoldLimitReached()) : later())
    assert.deepEqual(steps, ['publish own', 'ack'])
    const { 'x-death': _, ...own } = OWN_HEADERS
    assert.deepEqual(sent[0]?.headers, { ...own, ...(redelivered && { 'x-seen': 1 }) })
    assert.deepEqual(sent[0]?.terms, { from: delivery, maxBytes: Number.POSITIVE_INFINITY })
    assert.deepEqual(told, [{ event: 'later', at: Date.now(), to: 'own' }])
    t.mock.reset()
  }
})

test('a cause that others share is over once a message that had waited for it is passed on or done', async t => {
  for (const outcome of [forward('next', BODY), done()]) {
    const { settle, causes, said } = settleScene(t, { headers: { 'x-cause': '{"code":"OFF","since":1,"tries":2}' } })
    causes.begins('OFF')
    await settle(outcome)
    assert.match(said(30).join(), /a shared cause is fixed/)
    t.mock.reset()
  }
})

describe('again', () => {
  test('the body is let go of, and the message goes back once it is sent for, or the wait has failed', async t => {
    for (const fails of [false, true]) {
      const { settle, steps, delivery, sent } = settleScene(t)
      const when = async () => {
        steps.push(`${delivery.body.length} bytes`)
        if (fails) throw new HoldLimitReached()
      }
      await settle(again(when))
      assert.deepEqual([steps, sent], [['0 bytes', 'nack false true'], []])
      t.mock.reset()
    }
  })

  test('is left to the broker when the process stops', async t => {
    const { settle, steps, stop, told } = settleScene(t)
    await settle(again(async () => (stop.abort() as never) ?? Promise.reject(new Error('stop'))))
    assert.deepEqual(steps, [])
    assert.deepEqual(told, [{ event: 'given back', reason: 'the process is stopping' }])
  })
})

describe('a throw', () => {
  test('is a failed message, confirmed before the ack', async t => {
    const { settle, steps, sent, told, delivery, said } = settleScene(t, { headers: OWN_HEADERS, redelivered: true })
    await settle(threw(new PermanentError('BAD', 'it is bad')))
    assert.match(said(40).join(), /failed; the message goes to FailedQueue/)
    assert.deepEqual(steps, ['publish failed', 'ack'])
    const { 'x-attempts': attempts, 'x-seen': seen, 'x-permanent': permanent } = sent[0]?.headers ?? {}
    assert.deepEqual([attempts, seen, permanent], [2, 1, 1])
    assert.equal(JSON.parse(String(sent[0]?.body)).Desc, 'BAD')
    assert.deepEqual(sent[0]?.terms, { from: delivery, maxBytes: Number.POSITIVE_INFINITY })
    assert.deepEqual(told, [{ event: 'failed', at: Date.now(), code: 'BAD', reason: 'it is bad', to: 'failed' }])
  })

  test('is none while the process stops, nor when the channel is gone', async t => {
    const stopped = settleScene(t)
    stopped.stop.abort()
    await stopped.settle(threw(new Error('x')))
    assert.deepEqual(stopped.steps, [])
    assert.deepEqual(stopped.told, [{ event: 'given back', reason: 'the process is stopping' }])
    t.mock.reset()
    // What it has done so far is in its headers, and goes with it.
    const held = settleScene(t)
    held.stop.abort()
    await held.settle(threw(new HoldLimitReached()))
    assert.deepEqual(held.steps, ['publish own', 'ack'])
    t.mock.reset()
    const lost = settleScene(t)
    lost.session.lose(new Error('cut'))
    await lost.settle(threw(new Error('x')))
    await lost.settle(forward('next', BODY, { carriedOut: () => lost.steps.push('carried out') }))
    assert.deepEqual(lost.steps, [])
    await lost.settle(done({ carriedOut: () => lost.steps.push('carried out') }))
    assert.deepEqual(lost.steps, ['carried out'])
    assert.match(lost.said(40).join(), /finished after its channel was lost/)
    assert.equal(lost.told.filter(({ reason }) => reason === 'its channel was lost').length, 3)
  })

  test('goes raw where the broker does not take its envelope, and insists where it does not take that either', async t => {
    const { settle, steps, sent, clock, said, told } = settleScene(t, { answers: [tooLarge, tooLarge, tooLarge] })
    const settling = settle(threw(new Error('x')))
    await clock.pass(0)
    assert.deepEqual(steps, ['publish failed', 'publish failed'])
    assert.notEqual(String(sent[0]?.body), '{"a":1}')
    assert.equal(String(sent[1]?.body), '{"a":1}')
    assert.equal(sent[1]?.headers['x-failed-queue'], 'own')
    assert.match(said(40).join(), /FailedQueue rejects the message/)
    for (const ms of [500, 1000]) await clock.pass(2 * ms)
    await settling
    assert.deepEqual(steps, ['publish failed', 'publish failed', 'publish failed', 'publish failed', 'ack'])
    assert.equal(told[0]?.at, Date.now())
  })

  test('whose publish is refused goes back to its queue, marked as seen', async t => {
    const { settle, steps, sent, said } = settleScene(t, { answers: [refused, refused] })
    await settle(threw(new Error('x')))
    assert.deepEqual(steps.slice(0, -2), ['publish failed', 'publish failed'])
    assert.deepEqual(steps.slice(-2), ['publish own', 'ack'])
    assert.equal(sent.at(-1)?.headers['x-seen'], 1)
    assert.match(said(40).join(), /returned to the end of its queue/)
  })
})

describe('what cannot be published', () => {
  test('in the time that is left, and never less than 30 s, goes to its own queue and at last to the broker', async t => {
    for (const [holdLimitMs, ms] of [
      [60_000, 60_000],
      [1000, 30_000],
    ] as const) {
      const { settle, steps, told, clock, delivery } = settleScene(t, {
        answers: ['no answer', 'no answer'],
        holdLimitMs,
      })
      const settling = settle(forward('next', BODY))
      await clock.pass(ms - 1)
      assert.deepEqual(steps, ['publish next'])
      await clock.pass(1)
      assert.deepEqual(steps, ['publish next', 'publish own'])
      await clock.pass(29_999)
      assert.equal(steps.length, 2)
      await clock.pass(1)
      await settling
      assert.deepEqual(steps, ['publish next', 'publish own', 'nack false true'])
      assert.deepEqual(told, [{ event: 'given back', reason: new HoldLimitReached().message }])
      assert.equal(getEventListeners(delivery.working, 'abort').length, 0)
      t.mock.reset()
    }
  })

  test('is left to the broker once work must end', async t => {
    const { settle, steps, delivery, clock, said } = settleScene(t, { answers: ['no answer'] })
    const settling = settle(forward('next', BODY))
    await clock.pass(0)
    delivery.end(new ServiceError('STOPPING', 'the drain time is over'))
    await settling
    assert.deepEqual(steps, ['publish next'])
    assert.deepEqual(said(40), ['returned to its queue'])
  })

  test('and cannot be given back either, since its channel is gone: the broker delivers it again', async t => {
    const { settle, steps, clock, said, closeChannel } = settleScene(t, { answers: ['no answer', 'no answer'] })
    const settling = settle(forward('next', BODY))
    await clock.pass(600_000)
    closeChannel()
    assert.deepEqual(said(40), [], 'nothing is said before it is so')
    await clock.pass(30_000)
    await settling
    assert.deepEqual(steps, ['publish next', 'publish own'])
    assert.deepEqual(said(40), ['the broker delivers it again'])
  })
})
