// Events beside a pipeline at a real broker: they tell everything, and whatever becomes of them, every message gets through.
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { type PrivateRabbitMq, startRabbitMq, TcpProxy, waitFor } from '@cuckoo-distributed/testing'
import { parseBrokers } from '../src/broker/address.js'
import { EventSender } from '../src/broker/event-sender.js'
import { decodeEvent, MAX_EVENT_BYTES, type PipelineEvent } from '../src/events.js'
import { forward } from '../src/index.js'
import { type Harness, startHarness } from './harness.js'

let node: PrivateRabbitMq

before(async () => {
  node = await startRabbitMq()
})
after(() => node.stop())

const COUNT = 60
const REFUSED = 'events are disabled: the broker rejects their queue'

interface Scene extends Harness {
  readonly events: string
  readonly sender: EventSender
  /** Publishes COUNT messages and waits until all have been passed on. */
  pass(): Promise<void>
  /** Events that are in their queue, oldest first, which must not be more than `MAX_EVENT_BYTES` each. */
  told(): Promise<PipelineEvent[]>
}

async function scene(t: TestContext, url = node.url): Promise<Scene> {
  let sender: EventSender | undefined
  const harness = await startHarness(t, {
    url: node.url,
    prefetch: 50,
    telemetry: (failedQueue, log) => {
      sender = new EventSender({
        addresses: parseBrokers(url),
        name: 'e',
        log,
        service: 's',
        instance: 'i',
        failedQueue,
      })
      return sender
    },
    handle: async (context, { out }) => {
      context.describe({ analysisId: context.delivery.body.toString(), attempt: 1 })
      return forward(out, context.delivery.body)
    },
  })
  assert.ok(sender)
  const sending = sender
  t.after(() => sending[Symbol.asyncDispose]())
  const { broker, queues } = harness
  const events = `${queues.failed}.events`
  let expected = 0
  return {
    ...harness,
    events,
    sender: sending,
    async pass() {
      expected += COUNT
      for (let number = 0; number < COUNT; number += 1)
        await broker.publish(queues.in, `m${number}`, { confirm: false })
      await waitFor(async () => (await broker.depth(queues.out)) === expected, { describe: 'all messages to pass' })
    },
    async told() {
      if ((await broker.depth(events)) === undefined) return [] // the sender is not connected yet
      const bodies = (await broker.takeAll(events)).map(({ body }) => body)
      for (const body of bodies) assert.ok(body.length <= MAX_EVENT_BYTES)
      return bodies.map(body => decodeEvent(body.toString()) ?? assert.fail(body.toString()))
    },
  }
}

test('each message is told with a number that nothing is missing of', async t => {
  const { pass, told, broker, events } = await scene(t)
  await pass()
  await waitFor(async () => (await broker.depth(events)) === 2 * COUNT, { describe: 'all events' })
  const all = await told()
  assert.deepEqual(
    all.map(({ seq }) => seq),
    all.map((_, index) => index + 1),
  )
  const passed = all.filter(({ event }) => event === 'forwarded')
  assert.equal(new Set(passed.map(({ analysis }) => analysis)).size, COUNT)
  assert.match(passed[0]?.to ?? '', /\.out$/)
  assert.equal(all.filter(({ event }) => event === 'received').length, COUNT)
})

test('a queue of events that is deleted holds up nothing', async t => {
  const { pass, broker, events } = await scene(t)
  await pass()
  await waitFor(async () => (await broker.depth(events)) === 2 * COUNT, { describe: 'all events' })
  await broker.delete(events)
  await pass()
  assert.equal(await broker.depth(events), undefined)
})

test('a queue of events that is full holds up nothing, and keeps the newest', async t => {
  await node.ctl('set_policy', 'narrow', '\\.events$', '{"max-length":10}', '--apply-to', 'queues')
  t.after(() => node.ctl('clear_policy', 'narrow'))
  const { pass, told } = await scene(t)
  await pass()
  await waitFor(async () => (await told()).at(-1)?.seq === 2 * COUNT, { describe: 'the newest event' })
})

test('a queue with other arguments switches events off, with one line', async t => {
  const { pass, lines, broker, events } = await scene(t)
  await broker.declare(events, { arguments: { 'x-max-length': 7 } })
  await pass()
  await pass()
  await waitFor(() => lines.some(({ msg }) => msg === REFUSED), { describe: 'the refusal' })
  assert.equal(lines.filter(({ connection, level }) => connection === 'events' && Number(level) >= 40).length, 1)
  assert.equal(await broker.depth(events), 0)
})

test('a user without the right to them, and a wrong password, switch events off', async t => {
  await node.ctl('add_user', 'narrow', 'password')
  await node.ctl('set_permissions', 'narrow', '^(?!.*events$).*$', '.*', '.*')
  for (const account of ['narrow:password', 'narrow:wrong']) {
    await t.test(account, async t => {
      const { pass, lines, broker, events } = await scene(t, node.url.replace('guest:guest', account))
      await pass()
      await waitFor(() => lines.some(({ msg }) => msg === REFUSED), { describe: 'the refusal' })
      await pass()
      assert.equal(await broker.depth(events), undefined)
    })
  }
})

test('a connection that is cut costs nothing but what was on its way, and goes on', async t => {
  const proxy = await TcpProxy.start({ port: Number(new URL(node.url).port) })
  t.after(() => proxy.close())
  const { pass, told, broker, events } = await scene(t, proxy.through(node.url))
  await pass()
  await waitFor(async () => (await broker.depth(events)) === 2 * COUNT, { describe: 'the first events' })
  proxy.cut()
  await pass()
  const all: PipelineEvent[] = []
  await waitFor(async () => all.push(...(await told())) > 0 && all.at(-1)?.seq === 4 * COUNT, {
    describe: 'the last event',
  })
})

test('a broker that reads no events gets them later, up to a bound', async t => {
  const proxy = await TcpProxy.start({ port: Number(new URL(node.url).port) })
  t.after(() => proxy.close())
  // What is on its way would be lost with the connection, which heartbeats cut where this takes long.
  const url = new URL(proxy.through(node.url))
  url.searchParams.set('heartbeat', '120')
  const { pass, told, sender, lines, broker, events } = await scene(t, url.href)
  await pass()
  await waitFor(async () => (await told()).at(-1)?.seq === 2 * COUNT, { describe: 'the first events' })
  proxy.stall()
  const reason = 'x'.repeat(2000)
  let more = 0
  while (sender.dropped === 0) {
    for (let number = 0; number < 1000; number += 1) sender.happened({ queue: 'q' }, { event: 'failed', reason })
    more += 1000
    assert.ok(more < 1_000_000, 'the buffer has a bound')
    await new Promise(resolve => setImmediate(resolve))
  }
  await pass()
  proxy.resume()
  await waitFor(() => lines.some(({ msg }) => /sending events again/.test(String(msg))), {
    describe: () => `the end of the gap; ${sender.dropped} dropped`,
  })
  // What was dropped is missing, and nothing else.
  const left = more + 2 * COUNT - sender.dropped
  await waitFor(async () => (await broker.depth(events)) === left, { describe: `${left} events` })
})

test('while the broker blocks, events are dropped and messages wait; afterwards both go on', async t => {
  const { pass, sender, lines, broker, events } = await scene(t)
  await pass()
  await node.ctl('set_vm_memory_high_watermark', '0')
  t.after(() => node.ctl('set_vm_memory_high_watermark', '0.4'))
  sender.happened({ queue: 'q' }, { event: 'started' }) // an alarm is told to who publishes
  await waitFor(
    () => lines.some(({ msg, connection }) => connection === 'events' && /resource alarm/.test(String(msg))),
    { describe: 'the alarm' },
  )
  // The first one as well, if the alarm was told to what was sent before it.
  const before = sender.dropped
  for (let number = 0; number < 10; number += 1) sender.happened({ queue: 'q' }, { event: 'started' })
  assert.equal(sender.dropped, before + 10)
  await node.ctl('set_vm_memory_high_watermark', '0.4')
  await waitFor(() => lines.some(({ msg }) => /sending events again/.test(String(msg))), { describe: 'its end' })
  await pass()
  await waitFor(async () => (await broker.depth(events)) === 4 * COUNT + 1 - before, { describe: 'all other events' })
})
