// The table of outcomes, row by row, at a real broker.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { delay } from '@cuckoo-distributed/wait'
import {
  again,
  asNumber,
  asNumbers,
  asTexts,
  decodeFailedMessage,
  done,
  forward,
  later,
  type Note,
  PermanentError,
  readHeaders,
  type StageContext,
} from '../src/index.js'
import { gate, startHarness } from './harness.js'

const VISITED: Note<string[]> = { header: 'x-visited', read: asTexts }
const SINCE: Note<Record<string, number>> = { header: 'x-since', read: asNumbers }
const PROGRESS: Note<Record<string, number>> = { header: 'x-progress', read: asNumbers }

test('forward: the message is in the next queue, persistent and mandatory, and gone from its own', async t => {
  const { broker, queues, end } = await startHarness(t, {
    handle: async (context, { out }) => {
      context.headers.notes.set(VISITED, ['here'])
      context.headers.notes.set({ header: 'x-due', read: asNumber }, 5)
      return forward(out, Buffer.from('next'))
    },
  })
  await broker.publish(queues.in, 'one', {
    headers: { 'x-attempts': 2, 'x-seen': 1, 'x-stored-bytes': 5, traceparent: '00-a', 'x-death': 'no' },
  })
  const message = await broker.expectMessage(queues.out)
  assert.equal(message.body.toString(), 'next')
  assert.equal(message.properties.deliveryMode, 2)
  assert.deepEqual(message.headers, {
    'x-visited': '["here"]',
    'x-stored-bytes': 5,
    'x-seen': 1,
    traceparent: '00-a',
  })
  await end()
  assert.equal(await broker.depth(queues.in), 0)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('forward: a message that cannot be a repeat is not marked as one', async t => {
  const { broker, queues } = await startHarness(t, {
    handle: async (context, { out }) => {
      context.markBegun() // says it to its own queue only
      return forward(out, Buffer.from('next'))
    },
  })
  await broker.publish(queues.in, 'one')
  assert.deepEqual((await broker.expectMessage(queues.out)).headers, {})
})

test('forward: what follows the ack runs only once the broker has read the ack', async t => {
  let cutAfterwards = () => {}
  const ran = gate()
  const { broker, queues, cut, end } = await startHarness(t, {
    handle: async (_, { out }) =>
      forward(out, Buffer.from('next'), {
        afterwards: async () => {
          cutAfterwards()
          ran.open()
        },
      }),
  })
  cutAfterwards = cut
  await broker.publish(queues.in, 'one')
  await ran.opened
  await end()
  assert.equal(await broker.depth(queues.in), 0, 'the ack counted although the connection was cut at once')
  assert.equal((await broker.takeAll(queues.out)).length, 1)
})

test('forward: an afterwards that fails is logged and harms nothing', async t => {
  const { broker, queues, lines, end } = await startHarness(t, {
    handle: async (_, { out }) =>
      forward(out, Buffer.from('next'), { afterwards: () => Promise.reject(new Error('no')) }),
  })
  await broker.publish(queues.in, 'one')
  await broker.expectMessage(queues.out)
  await waitFor(() => lines.find(line => /after the ack failed/.test(String(line.msg))), { describe: 'the log line' })
  await end()
  assert.equal(await broker.depth(queues.in), 0)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('forward: a next queue of our own that was deleted is declared again and gets the message', async t => {
  const { broker, queues, end } = await startHarness(t, {
    handle: async (_, { out }) => forward(out, Buffer.from('next')),
  })
  await broker.delete(queues.out)
  await broker.publish(queues.in, 'one')
  await waitFor(async () => (await broker.depth(queues.out)) === 1, { describe: 'the message in the queue' })
  assert.deepEqual((await broker.expectMessage(queues.out)).headers, {}, 'what went nowhere cannot be there twice')
  await end()
  assert.equal(await broker.depth(queues.failed), 0)
})

test('forward: a queue that is not ours and does not exist is a failure of the message', async t => {
  const { broker, queues, end } = await startHarness(t, {
    handle: async () => forward('no.such.queue', Buffer.from('next')),
  })
  await broker.publish(queues.in, 'one')
  const failed = decodeFailedMessage((await broker.expectMessage(queues.failed)).body)
  assert.equal(failed.body.toString(), 'one')
  assert.equal(failed.desc, 'UNDELIVERABLE')
  assert.match(failed.error, /returned a message for "no.such.queue": there is no such queue/)
  await end()
  assert.equal(await broker.depth(queues.in), 0)
})

test('forward: a full queue (nack) is a failure of the message, and orElse may say otherwise', async t => {
  const full = `${t.name.slice(0, 10)}.full`
  let refused = 0
  const { broker, queues, end } = await startHarness(t, {
    handle: async context =>
      forward(full, Buffer.from('next'), {
        ...(context.delivery.body.toString() === 'second' && {
          orElse: async () => {
            refused += 1
            return done()
          },
        }),
      }),
  })
  await broker.delete(full)
  await broker.declare(full, { arguments: { 'x-max-length': 0, 'x-overflow': 'reject-publish' } })
  t.after(() => broker.delete(full).catch(() => undefined))
  await broker.publish(queues.in, 'first')
  const failed = decodeFailedMessage((await broker.expectMessage(queues.failed)).body)
  assert.match(failed.error, /nacked/)
  await broker.publish(queues.in, 'second')
  await waitFor(() => refused === 1, { describe: 'the other outcome' })
  await end()
  assert.equal(await broker.depth(queues.failed), 0)
  await broker.delete(full)
})

test('forward: a body of our own above MaxMessageSize is a failure, one that goes on as it came is not', async t => {
  const large = Buffer.alloc(1001, 'x')
  const { broker, queues } = await startHarness(t, {
    maxMessageSize: 1000,
    handle: async ({ delivery }, { out }) => {
      return forward(out, large, { carry: delivery.body.toString() === 'as it came' ? 'all' : 'next-stage' })
    },
  })
  await broker.publish(queues.in, 'as it came')
  assert.equal((await broker.expectMessage(queues.out)).body.length, 1001)
  await broker.publish(queues.in, 'our own')
  const failed = decodeFailedMessage((await broker.expectMessage(queues.failed)).body)
  assert.equal(failed.desc, 'MESSAGE_TOO_LARGE')
  assert.match(failed.error, /1001 bytes .* is above MaxMessageSize \(1000 bytes\)/)
})

test('done: the message is gone, and nothing else has changed', async t => {
  let handled = 0
  const { broker, queues, end } = await startHarness(t, {
    handle: async () => {
      handled += 1
      return done()
    },
  })
  await broker.publish(queues.in, 'one')
  await waitFor(() => handled === 1, { describe: 'the message to be handled' })
  await end()
  for (const queue of Object.values(queues)) assert.equal(await broker.depth(queue), 0)
})

test('a stage hears of what it has carried out even when the ack is lost, and not of what was cut off', async t => {
  const carriedOut: string[] = []
  const seen: string[] = []
  const [begun, goOn] = [gate(), gate()]
  const { broker, queues, cut, end } = await startHarness(t, {
    handle: async ({ delivery }, { out }) => {
      const body = delivery.body.toString()
      seen.push(body)
      const note = () => carriedOut.push(body)
      if (delivery.redelivered) return done()
      if (seen.length === 3) begun.open()
      await goOn.opened
      if (body === 'passed on') return forward(out, delivery.body, { carriedOut: note })
      if (body === 'finished') return done({ carriedOut: note })
      throw new Error('no')
    },
  })
  for (const body of ['passed on', 'finished', 'failed']) await broker.publish(queues.in, body)
  await begun.opened
  cut()
  goOn.open()
  await waitFor(() => seen.length === 6, { describe: 'all three to come again' })
  assert.deepEqual(carriedOut, ['finished'])
  await end()
})

test('a stage hears that its successor is confirmed before the ack, and of nothing that its queue refused', async t => {
  const carriedOut: string[] = []
  const { broker, queues, end } = await startHarness(t, {
    handle: async ({ delivery }, { out }) => {
      const queue = delivery.body.toString() === 'good' ? out : 'no.such.queue'
      return forward(queue, delivery.body, { carriedOut: () => carriedOut.push(queue) })
    },
  })
  await broker.publish(queues.in, 'bad')
  await broker.expectMessage(queues.failed)
  await broker.publish(queues.in, 'good')
  await broker.expectMessage(queues.out)
  await end()
  assert.deepEqual(carriedOut, [queues.out])
})

test('later: body and own headers go to the end of the same queue', async t => {
  const passes: { body: string; seen: boolean; since: unknown; attempts: number }[] = []
  const { broker, queues, end } = await startHarness(t, {
    prefetch: 1,
    handle: async (context: StageContext) => {
      const { headers, delivery } = context
      passes.push({
        body: delivery.body.toString(),
        seen: headers.seen,
        since: headers.notes.get(SINCE),
        attempts: headers.attempts,
      })
      if (headers.notes.get(SINCE) || delivery.body.toString() === 'two') return done()
      headers.notes.set(SINCE, { watch: 7 })
      return later()
    },
  })
  await broker.publish(queues.in, 'one', { headers: { 'x-attempts': 1 } })
  await broker.publish(queues.in, 'two')
  await waitFor(() => passes.length === 3, { describe: 'three passes' })
  assert.deepEqual(passes, [
    { body: 'one', seen: false, since: undefined, attempts: 1 },
    { body: 'two', seen: false, since: undefined, attempts: 0 },
    { body: 'one', seen: false, since: { watch: 7 }, attempts: 1 },
  ])
  await end()
  assert.equal(await broker.depth(queues.failed), 0)
})

test('HoldLimit ends waiting, and the message goes to the end of its queue without an attempt counted', async t => {
  let passes = 0
  const { broker, queues, end } = await startHarness(t, {
    holdLimitMs: 100,
    handle: async context => {
      passes += 1
      assert.equal(context.headers.attempts, 0)
      if (passes < 3) await delay(60_000, context.waiting)
      return done()
    },
  })
  await broker.publish(queues.in, 'one')
  await waitFor(() => passes === 3, { describe: 'three passes' })
  await end()
  assert.equal(await broker.depth(queues.failed), 0)
  assert.equal(await broker.depth(queues.in), 0)
})

test('a throw: the message is in FailedQueue with its five fields, FailedAt, history and own headers', async t => {
  const { broker, queues, end } = await startHarness(t, {
    handle: async context => {
      context.headers.notes.set(PROGRESS, { rows: 3 })
      throw new Error('Cuckoo said no', { cause: new Error('status 500') })
    },
  })
  await broker.publish(queues.in, '{"ü":1}', { headers: { 'x-attempts': 1, 'x-visited': '["a"]' } })
  const message = await broker.expectMessage(queues.failed)
  const failed = decodeFailedMessage(message.body)
  assert.deepEqual(
    { ...failed, failedAt: '', body: failed.body.toString() },
    {
      service: 'test_service',
      queue: queues.in,
      error: 'Cuckoo said no: status 500',
      desc: 'UNEXPECTED',
      failedAt: '',
      body: '{"ü":1}',
    },
  )
  assert.ok(Date.parse(failed.failedAt) > 0)
  const headers = readHeaders(message.headers)
  assert.equal(headers.attempts, 2)
  assert.equal(headers.permanent, false)
  assert.deepEqual(headers.notes.get(VISITED), ['a'])
  assert.deepEqual(headers.notes.get(PROGRESS), { rows: 3 })
  assert.deepEqual(headers.failures, [
    { at: failed.failedAt, service: 'test_service', error: 'Cuckoo said no: status 500' },
  ])
  await end()
  assert.equal(await broker.depth(queues.in), 0)
})

test('what was begun survives a throw, and what describes the message is named by settling too', async t => {
  const { broker, queues, lines } = await startHarness(t, {
    handle: async context => {
      context.describe({ analysisId: 'a-1' })
      context.markBegun()
      throw new Error('no')
    },
  })
  await broker.publish(queues.in, 'one')
  assert.equal(readHeaders((await broker.expectMessage(queues.failed)).headers).seen, true)
  const failed = lines.find(line => /^failed/.test(String(line.msg)))
  assert.deepEqual([failed?.queue, failed?.analysisId], [queues.in, 'a-1'])
})

test('a redelivery that fails says that it may be a repeat, and one that is put off as well', async t => {
  const begun = gate()
  const passes: unknown[] = []
  const { broker, queues, cut } = await startHarness(t, {
    prefetch: 1,
    handle: async ({ delivery, headers, waiting }) => {
      passes.push([delivery.redelivered, headers.seen])
      if (passes.length === 1) {
        begun.open()
        await delay(60_000, waiting)
      }
      if (passes.length === 2) return later()
      throw new Error('no')
    },
  })
  await broker.publish(queues.in, 'one')
  await begun.opened
  cut()
  const first = await broker.expectMessage(queues.failed)
  assert.equal(readHeaders(first.headers).seen, true)
  assert.deepEqual(passes, [
    [false, false],
    [true, false],
    [false, true],
  ])
  await broker.publish(queues.in, 'two')
  assert.equal(readHeaders((await broker.expectMessage(queues.failed)).headers).seen, false)
})

test('a redelivery that fails at once is marked', async t => {
  const begun = gate()
  let passes = 0
  const { broker, queues, cut } = await startHarness(t, {
    handle: async ({ waiting }) => {
      passes += 1
      if (passes > 1) throw new Error('no')
      begun.open()
      await delay(60_000, waiting)
      return done()
    },
  })
  await broker.publish(queues.in, 'one')
  await begun.opened
  cut()
  const { headers } = await broker.expectMessage(queues.failed)
  assert.deepEqual([headers['x-seen'], headers['x-attempts']], [1, 1])
})

test('a throw that no retry can mend is marked as permanent', async t => {
  const { broker, queues } = await startHarness(t, {
    handle: () => Promise.reject(new PermanentError('WRONG_MD5', 'the sample is not the one CRITs meant')),
  })
  await broker.publish(queues.in, 'one')
  const message = await broker.expectMessage(queues.failed)
  assert.equal(readHeaders(message.headers).permanent, true)
  assert.equal(decodeFailedMessage(message.body).desc, 'WRONG_MD5')
})

test('a throw that lies in the place counts for itself, and its end is told once', async t => {
  const code = 'CRITS_AUTH'
  let refused = true
  const { broker, queues, lines } = await startHarness(t, {
    async handle({ headers }) {
      if (!refused) return done()
      headers.attempts = 1
      throw Object.assign(new Error('401'), { code, sharedCause: true })
    },
  })
  for (let i = 0; i < 3; i += 1) await broker.publish(queues.in, `${i}`)
  for (let i = 0; i < 3; i += 1) {
    const { body, headers } = await broker.expectMessage(queues.failed)
    const read = readHeaders(headers)
    assert.deepEqual([read.attempts, read.cause?.code, read.cause?.tries], [1, code, 1])
    refused = false
    await broker.publish(queues.in, decodeFailedMessage(body).body, { headers })
  }
  const told = () => lines.filter(({ level, msg }) => level === 50 || msg === 'a shared cause is fixed')
  await waitFor(() => told().length === 2, { describe: 'two lines' })
  await waitFor(async () => (await broker.depth(queues.in)) === 0, { describe: 'all done' })
  assert.equal(told().length, 2)
})

test('a throw: a body that is not UTF-8 goes to FailedQueue unchanged, its fields in headers', async t => {
  const { broker, queues } = await startHarness(t, { handle: () => Promise.reject(new Error('no')) })
  const body = Buffer.from([0x7b, 0xff, 0x00, 0xfe])
  await broker.publish(queues.in, body)
  const message = await broker.expectMessage(queues.failed)
  assert.deepEqual(message.body, body)
  const { failed, attempts } = readHeaders(message.headers)
  assert.deepEqual(
    { ...failed, failedAt: '' },
    { service: 'test_service', queue: queues.in, error: 'no', desc: 'UNEXPECTED', failedAt: '' },
  )
  assert.equal(attempts, 1)
})

test('a throw: a body whose envelope would exceed MaxMessageSize goes to FailedQueue unchanged', async t => {
  const { broker, queues } = await startHarness(t, {
    maxMessageSize: 1000,
    handle: () => Promise.reject(new Error('no')),
  })
  const body = Buffer.from('"'.repeat(900)) // each quote takes two bytes inside JSON
  await broker.publish(queues.in, body)
  const message = await broker.expectMessage(queues.failed)
  assert.deepEqual(message.body, body)
  assert.equal(readHeaders(message.headers).failed?.queue, queues.in)
})

test('a throw: a FailedQueue that was deleted is declared again', async t => {
  const { broker, queues } = await startHarness(t, { handle: () => Promise.reject(new Error('no')) })
  await broker.delete(queues.failed)
  await broker.publish(queues.in, 'one')
  await waitFor(async () => (await broker.depth(queues.failed)) === 1, { describe: 'the message in FailedQueue' })
})

test('again: the body is let go of until the message is sent for, and nobody overtakes it', async t => {
  const asked = gate()
  const sentFor = gate()
  const passes: string[] = []
  const held: number[] = []
  const { broker, queues, end } = await startHarness(t, {
    prefetch: 1,
    handle: async ({ delivery }, { out }) => {
      passes.push(delivery.body.toString())
      if (passes.length > 1) return forward(out, delivery.body)
      return again(() => {
        held.push(delivery.body.length)
        asked.open()
        return sentFor.opened
      })
    },
  })
  await broker.publish(queues.in, 'one', { headers: { 'x-attempts': 1 } })
  await broker.publish(queues.in, 'two')
  await asked.opened
  assert.deepEqual([passes, held], [['one'], [0]])
  sentFor.open()
  await waitFor(async () => (await broker.depth(queues.out)) === 2, { describe: 'both messages' })
  assert.deepEqual(passes, ['one', 'one', 'two'])
  assert.equal((await broker.expectMessage(queues.out)).body.toString(), 'one')
  await end()
  assert.deepEqual([await broker.depth(queues.in), await broker.depth(queues.failed)], [0, 0])
})

test('again: what is not sent for because the process stops or the wait fails is in its queue as it was', async t => {
  const waits = [gate(), gate()]
  let passes = 0
  const { broker, queues, end } = await startHarness(t, {
    prefetch: 1,
    handle: async context =>
      again(async () => {
        passes += 1
        waits[passes - 1]?.open()
        if (passes === 1) throw new Error('cannot wait')
        await delay(60_000, context.waiting)
      }),
  })
  await broker.publish(queues.in, 'one', { headers: { 'x-attempts': 1 } })
  for (const { opened } of waits) await opened
  await end()
  const { body, headers } = await broker.expectMessage(queues.in)
  assert.deepEqual([body.toString(), headers], ['one', { 'x-attempts': 1 }])
  assert.equal(await broker.depth(queues.failed), 0)
})

test('a throw while the process stops is no failure: the broker gives the message back', async t => {
  const begun = gate()
  const { broker, queues, end } = await startHarness(t, {
    handle: async context => {
      begun.open()
      await delay(60_000, context.waiting)
      return done()
    },
  })
  await broker.publish(queues.in, 'one')
  await begun.opened
  await end()
  const message = await broker.expectMessage(queues.in)
  assert.equal(message.body.toString(), 'one')
  assert.equal(message.redelivered, true)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('work in progress may end after the first signal', async t => {
  const begun = gate()
  const goOn = gate()
  const { broker, queues, stop, end } = await startHarness(t, {
    handle: async (context, { out }) => {
      begun.open()
      await goOn.opened
      context.working.throwIfAborted()
      return forward(out, Buffer.from('finished'))
    },
  })
  await broker.publish(queues.in, 'one')
  await begun.opened
  stop.abort()
  goOn.open()
  await end()
  assert.equal((await broker.expectMessage(queues.out)).body.toString(), 'finished')
  assert.equal(await broker.depth(queues.in), 0)
})

test('the second signal ends work, and the message is given back', async t => {
  const begun = gate()
  const { broker, queues, stop, force, end } = await startHarness(t, {
    handle: async context => {
      begun.open()
      await delay(60_000, context.working)
      return done()
    },
  })
  await broker.publish(queues.in, 'one')
  await begun.opened
  stop.abort()
  force.abort()
  await end()
  assert.equal((await broker.expectMessage(queues.in)).redelivered, true)
})

test('a channel lost during the work: nothing is published or acked, the message comes again', async t => {
  const begun = gate()
  const goOn = gate()
  let passes = 0
  const { broker, queues, cut, lines } = await startHarness(t, {
    handle: async (context, { out }) => {
      passes += 1
      if (passes > 1) return forward(out, Buffer.from(`redelivered ${context.delivery.redelivered}`))
      begun.open()
      await goOn.opened
      return forward(out, Buffer.from('first pass'))
    },
  })
  await broker.publish(queues.in, 'one')
  await begun.opened
  cut()
  goOn.open()
  assert.equal((await broker.expectMessage(queues.out)).body.toString(), 'redelivered true')
  await waitFor(() => lines.find(line => /after its channel was lost/.test(String(line.msg))), {
    describe: 'the log line',
  })
  assert.equal(await broker.depth(queues.out), 0)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('a lost channel ends the waits of its deliveries at once', async t => {
  const begun = gate()
  let passes = 0
  const { broker, queues, cut } = await startHarness(t, {
    handle: async context => {
      passes += 1
      if (passes > 1) return done()
      begun.open()
      await delay(60_000, context.waiting)
      return done()
    },
  })
  await broker.publish(queues.in, 'one')
  await begun.opened
  cut()
  await waitFor(() => passes === 2, { describe: 'the second pass' })
  assert.equal(await broker.depth(queues.failed), 0)
})

test('a consumer that the broker cancels (queue deleted) is set up again', async t => {
  let handled = 0
  const { broker, queues } = await startHarness(t, {
    handle: async () => {
      handled += 1
      return done()
    },
  })
  await broker.delete(queues.in)
  await waitFor(async () => (await broker.consumers(queues.in)) === 1, { describe: 'the consumer to come back' })
  await broker.publish(queues.in, 'one')
  await waitFor(() => handled === 1, { describe: 'the message to be handled' })
})

test('a message above MaxMessageSize that the broker brought all the same fails, and goes later, as it came', async t => {
  let passes = 0
  const body = Buffer.from('"'.repeat(1500))
  const { broker, queues } = await startHarness(t, {
    maxMessageSize: 1000,
    handle: async () => {
      passes += 1
      if (passes === 1) return later()
      throw new Error('no')
    },
  })
  await broker.publish(queues.in, body)
  const message = await broker.expectMessage(queues.failed)
  assert.deepEqual(message.body, body)
  assert.equal(readHeaders(message.headers).failed?.desc, 'UNEXPECTED')
  assert.equal(passes, 2)
})

test('bytes in hand are bounded: what comes in spite of the prefetch goes back, and all is done in the end', async t => {
  const MiB = 1024 * 1024
  const inHand = { now: 0, most: 0 }
  const finished = new Set<string>()
  const { broker, queues, lines } = await startHarness(t, {
    prefetch: 50,
    bytesInHand: 3 * MiB,
    maxMessageSize: MiB,
    async handle(context) {
      inHand.now += context.delivery.body.length
      inHand.most = Math.max(inHand.most, inHand.now)
      await delay(2, context.working)
      inHand.now -= context.delivery.body.length
      finished.add(context.delivery.body.subarray(0, 8).toString())
      return done()
    },
  })
  // Small ones first, so that the prefetch has grown when the large ones come.
  for (let i = 0; i < 300; i += 1) await broker.publish(queues.in, `small${i}`.padEnd(8))
  for (let i = 0; i < 40; i += 1) await broker.publish(queues.in, Buffer.alloc(MiB, `large${i}`.padEnd(8)))
  for (let i = 0; i < 300; i += 1) await broker.publish(queues.in, `after${i}`.padEnd(8))
  await waitFor(() => finished.size === 640, { describe: 'all messages' })
  assert.ok(inHand.most <= 3 * MiB, `${inHand.most} bytes were in hand`)
  await waitFor(async () => (await broker.depth(queues.in)) === 0, { describe: 'the last ack' })
  assert.deepEqual(
    lines.filter(({ level }) => Number(level) >= 40),
    [],
  )
})
