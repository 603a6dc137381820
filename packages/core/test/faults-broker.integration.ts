// The broker itself fails: alarms, restarts, power cuts, timeouts and limits of its own. At a private node.
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { type PrivateRabbitMq, startRabbitMq, TestBroker, waitFor } from '@cuckoo-distributed/testing'
import { asNumber, asNumbers, decodeFailedMessage, done, forward, readHeaders, writeHeaders } from '../src/index.js'
import { gate, type Harness, startHarness } from './harness.js'

let node: PrivateRabbitMq

before(async () => {
  node = await startRabbitMq()
})
after(() => node.stop())

const BODIES = Array.from({ length: 30 }, (_, index) => `body ${index}`)

test('memory alarm: deadlines stand still, nothing is repeated or lost, and it goes on afterwards', async t => {
  const silentMs = 1000
  const goOn = gate()
  const { broker, queues, lines, end } = await startHarness(t, {
    url: node.url,
    silentMs,
    patienceMs: silentMs,
    handle: async (context, { out }) => {
      if (context.delivery.body.toString() === 'one') await goOn.opened
      return forward(out, context.delivery.body)
    },
  })
  // Opens the channel for publishing: a connection that has not published yet is not told of the alarm.
  await broker.publish(queues.in, 'warm up')
  await broker.expectMessage(queues.out)
  await broker.publish(queues.in, 'one')
  await node.ctl('set_vm_memory_high_watermark', '0')
  t.after(() => node.ctl('set_vm_memory_high_watermark', '0.4'))
  goOn.open()
  await logged(lines, /reads nothing from publishers/)
  const [blockedAt, before] = [performance.now(), lines.length]
  await waitFor(() => performance.now() - blockedAt > 2 * silentMs, { describe: 'two deadlines to pass' })
  assert.deepEqual(
    lines.slice(before).filter(line => /does not answer|publishing again/.test(String(line.msg))),
    [],
  )
  await node.ctl('set_vm_memory_high_watermark', '0.4')
  await waitFor(() => broker.depth(queues.out), { describe: 'the message in the next queue' })
  await end()
  assert.equal(await broker.depth(queues.out), 1)
  assert.equal(await broker.depth(queues.in), 0)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('a broker that is stopped and started loses no message', async t => {
  await passThrough(t, async () => {
    await node.ctl('stop_app')
    await node.ctl('start_app')
  })
})

test('a broker that is killed and started again loses no message', async t => {
  await passThrough(t, () => node.restart())
})

test('consumer timeout: the channel is lost, the late outcome is dropped, the message comes again', async t => {
  // Since 4.3 only quorum queues have it.
  const queueType = 'quorum'
  await node.ctl('eval', 'application:set_env(rabbit, consumer_timeout, 500).')
  await node.ctl('eval', 'application:set_env(rabbit, channel_tick_interval, 100).')
  t.after(() => node.ctl('eval', 'application:set_env(rabbit, consumer_timeout, 1800000).'))
  const passes: boolean[] = []
  const { broker, queues, lines, inWork, end } = await startHarness(t, {
    url: node.url,
    queueType,
    handle: async (context, { out }) => {
      passes.push(context.delivery.redelivered)
      if (passes.length > 1) return forward(out, Buffer.from('second pass'))
      await new Promise(resolve => context.working.addEventListener('abort', resolve, { once: true }))
      return forward(out, Buffer.from('first pass'))
    },
  })
  await broker.publish(queues.in, 'one')
  assert.equal((await broker.expectMessage(queues.out)).body.toString(), 'second pass')
  await logged(lines, /after its channel was lost/)
  assert.deepEqual(passes.slice(0, 2), [false, true])
  const lost = lines.find(line => /lost the connection to the broker/.test(String(line.msg)))
  assert.match(
    String(lost?.cause),
    /delivery acknowledgement on channel \d+ timed out|PRECONDITION.FAILED|cancelled the consumer/,
  )
  await waitFor(() => inWork() === 0, { describe: 'the last outcome' })
  await end()
  for (const queue of [queues.in, queues.failed]) assert.equal(await broker.depth(queue), 0)
  // The time-out may hit what follows as well, where all of it takes long.
  const copies = (await broker.takeAll(queues.out)).map(message => message.body.toString())
  assert.deepEqual(new Set(copies), new Set(copies.map(() => 'second pass')))
})

test('a body above the size limit of the broker alone fails, unchanged, and others are not harmed', async t => {
  // Each channel has the limit of when it was opened.
  const setLimit = (bytes: number) => node.ctl('eval', `application:set_env(rabbit, max_message_size, ${bytes}).`)
  await setLimit(100_000)
  t.after(() => setLimit(134_217_728))
  const { broker, queues, inWork, end } = await startHarness(t, {
    url: node.url,
    handle: async (context, { out }) => {
      if (context.delivery.body.length > 10) return forward(out, Buffer.alloc(200_000, 'x'))
      return forward(out, context.delivery.body)
    },
  })
  // Its envelope is above the limit as well: every quote takes two bytes inside JSON.
  const body = Buffer.from(`["${'\\"'.repeat(30_000)}"]`)
  await broker.publish(queues.in, body)
  for (let index = 0; index < 5; index += 1) await broker.publish(queues.in, `${index}`)
  const failed = await broker.expectMessage(queues.failed)
  assert.deepEqual(failed.body, body)
  const { failed: fields, attempts } = readHeaders(failed.headers)
  assert.equal(fields?.desc, 'MESSAGE_TOO_LARGE')
  assert.match(fields?.error ?? '', /max_message_size is below MaxMessageSize/)
  assert.equal(attempts, 1)
  await waitFor(async () => inWork() === 0 && ((await broker.depth(queues.out)) ?? 0) >= 5, {
    describe: 'the other messages',
  })
  await end()
  assert.equal(await broker.depth(queues.in), 0)
  // What was in flight on the channel that the large body closed is repeated.
  const others = (await broker.takeAll(queues.out)).map(message => message.body.toString())
  assert.deepEqual([...new Set(others)].sort(), ['0', '1', '2', '3', '4'])
})

test('a failed message that FailedQueue does not take goes to the end of its queue with its progress', async t => {
  const progress = { header: 'x-progress', read: asNumbers } as const
  const passes: unknown[] = []
  const { broker, queues, lines, end } = await startHarness(t, {
    url: node.url,
    holdLimitMs: 100,
    leastPublishMs: 1500,
    handle: async ({ headers, delivery }) => {
      passes.push([headers.notes.get(progress), headers.seen, headers.attempts, delivery.redelivered])
      headers.notes.set(progress, { rows: 3 })
      throw new Error('Cuckoo said no')
    },
  })
  await fill(t, queues.failed)
  await broker.publish(queues.in, 'one')
  await logged(lines, /the queue rejects a message/)
  await logged(lines, /could not be published; returned to the end of its queue/)
  assert.deepEqual(passes[0], [undefined, false, 0, false])
  // Where the confirm comes too late, the message is given back as it was, and that it came again is what tells it.
  const carriesProgress = (pass: unknown) => isDeepStrictEqual(pass, [{ rows: 3 }, true, 0, false])
  await waitFor(() => passes.some(carriesProgress), { describe: () => `its progress in ${JSON.stringify(passes)}` })
  await node.ctl('clear_policy', 'full')
  const failed = decodeFailedMessage((await broker.expectMessage(queues.failed)).body)
  assert.equal(failed.body.toString(), 'one')
  await end()
})

test('a message that its next queue does not take within HoldLimit comes again with its own headers', async t => {
  const passes: object[] = []
  const { broker, queues, end } = await startHarness(t, {
    url: node.url,
    holdLimitMs: 100,
    leastPublishMs: 500,
    handle: async ({ headers, delivery }, { out }) => {
      passes.push(writeHeaders(headers))
      return forward(out, delivery.body, {
        onward: headers.notes.with({ header: 'x-stored-bytes', read: asNumber }, 7),
      })
    },
  })
  await fill(t, queues.out)
  await broker.publish(queues.in, 'one', { headers: { 'x-visited': '["a"]' } })
  const marked = { 'x-visited': '["a"]', 'x-seen': 1 }
  await waitFor(() => passes.some(pass => isDeepStrictEqual(pass, marked)), {
    describe: () => `the marked message in ${JSON.stringify(passes)}`,
  })
  assert.ok(passes.every(pass => !('x-stored-bytes' in pass)))
  await node.ctl('clear_policy', 'full')
  const { headers } = await broker.expectMessage(queues.out)
  assert.deepEqual(headers, { 'x-visited': '["a"]', 'x-stored-bytes': 7, 'x-seen': 1 })
  await end()
})

test('a message that no queue takes, its own included, is given back to the broker', async t => {
  const passes: boolean[] = []
  const published = gate()
  const { broker, queues, lines, end } = await startHarness(t, {
    url: node.url,
    holdLimitMs: 100,
    leastPublishMs: 500,
    handle: async ({ delivery }) => {
      passes.push(delivery.redelivered)
      await published.opened
      throw new Error('Cuckoo said no')
    },
  })
  await broker.publish(queues.in, 'one')
  await waitFor(() => passes.length === 1, { describe: 'the first delivery' })
  await fill(t, queues.in, queues.failed)
  published.open()
  await logged(lines, /returned to its queue/)
  await waitFor(() => passes.length >= 2, { describe: 'the message to come again' })
  await node.ctl('clear_policy', 'full')
  await broker.expectMessage(queues.failed)
  assert.deepEqual(passes.slice(0, 2), [false, true])
  // A confirm that is later than the limit makes a marked copy of it in its own queue: the same way again.
  await waitFor(async () => (await broker.depth(queues.in)) === 0, { describe: 'its own queue to be empty' })
  await end()
})

test('a next queue of our own that is full is waited for, and no attempt counts', async t => {
  const { broker, queues, lines, end } = await startHarness(t, {
    url: node.url,
    handle: async (_, { out }) => forward(out, Buffer.from('next')),
  })
  await fill(t, queues.out)
  await broker.publish(queues.in, 'one')
  const refusals = () => lines.filter(line => line.outcome === 'nacked').length
  await waitFor(() => refusals() >= 3, { describe: 'three refusals' })
  await node.ctl('clear_policy', 'full')
  const message = await broker.expectMessage(queues.out)
  assert.deepEqual(message.headers, { 'x-seen': 1 }, 'a refused message may be there all the same')
  await end()
  assert.equal(await broker.depth(queues.in), 0)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('a set-up that fails for a reason that passes is repeated, without a line for each try', async t => {
  const { broker, queues, lines, cut, end } = await startHarness(t, { url: node.url, handle: async () => done() })
  await node.ctl('clear_permissions', 'guest')
  cut()
  await logged(lines, /cannot reach the broker/)
  await node.ctl('set_permissions', 'guest', '.*', '.*', '.*')
  await waitFor(async () => (await broker.consumers(queues.in)) === 1, { describe: 'the consumer to come back' })
  assert.equal(lines.filter(line => /cannot reach the broker/.test(String(line.msg))).length, 1)
  await end()
})

/** Messages go through a stage while the broker goes down and comes up: each is there at least once, nothing else. */
async function passThrough(t: TestContext, interrupt: () => Promise<void>): Promise<void> {
  const begun = gate()
  const goOn = gate()
  const { queues, inWork, end } = await startHarness(t, {
    url: node.url,
    prefetch: 5,
    handle: async (context, { out }) => {
      const body = context.delivery.body.toString()
      if (body === BODIES[10]) begun.open()
      if (Number(body.slice(5)) >= 12) await goOn.opened
      return forward(out, context.delivery.body)
    },
  })
  const before = await TestBroker.connect(node.url)
  for (const body of BODIES) await before.publish(queues.in, body, { persistent: true })
  await begun.opened
  const interruption = interrupt()
  goOn.open()
  await interruption
  const broker = await TestBroker.connect(node.url)
  // Those that are there twice are no reason to stop while one is on its way.
  const isOver = async () => (await broker.depth(queues.in)) === 0 && inWork() === 0 && (await allIn(broker, queues))
  await waitFor(isOver, { describe: 'all messages in the next queue', everyMs: 200 })
  await end()
  const bodies = (await broker.takeAll(queues.out)).map(message => message.body.toString())
  assert.deepEqual([...new Set(bodies)].sort(), [...BODIES].sort())
  assert.equal(await broker.depth(queues.in), 0)
  assert.equal(await broker.depth(queues.failed), 0)
  await broker.close()
}

/** Makes queues refuse everything, until the policy `full` is cleared. */
async function fill(t: TestContext, ...queues: string[]): Promise<void> {
  const full = JSON.stringify({ 'max-length': 0, overflow: 'reject-publish' })
  const names = queues.map(queue => queue.replaceAll('.', '\\.')).join('|')
  await node.ctl('set_policy', '--apply-to', 'queues', 'full', `^(${names})$`, full)
  t.after(() => node.ctl('clear_policy', 'full').catch(() => undefined))
}

async function allIn(broker: TestBroker, { out }: Harness['queues']): Promise<boolean> {
  return ((await broker.depth(out)) ?? 0) >= BODIES.length
}

function logged(lines: Harness['lines'], pattern: RegExp) {
  return waitFor(() => lines.find(line => pattern.test(String(line.msg))), { describe: `the log line ${pattern}` })
}
