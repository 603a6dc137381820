// The publishing connection fails in every way a network can: the message gets through, its delivery stays where it is.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { brokerForTests, TcpProxy, type TestBroker, waitFor } from '@cuckoo-distributed/testing'
import { done, forward } from '../src/index.js'
import { type Harness, startHarness, stepsOf } from './harness.js'

test('publishing connection cut between publish and confirm: the same bytes again, on the same delivery', async t => {
  const { proxy, harness, passes } = await startBehindProxy(t)
  const { broker, queues, end, lines } = harness
  await forwardWhileStalled(harness, proxy, passes)
  proxy.cut()
  proxy.resume()
  await waitFor(async () => (await broker.depth(queues.in)) === 0 && (await broker.depth(queues.out)), {
    describe: 'the message in the next queue',
  })
  await end()
  const copies = await broker.takeAll(queues.out)
  assert.ok(copies.length >= 1)
  for (const copy of copies) {
    assert.equal(copy.body.toString(), 'next of one')
    assert.equal(copy.properties.messageId, copies[0]?.properties.messageId)
  }
  assert.deepEqual(passes.handled, ['one'], 'the delivery was kept, not delivered again')
  assert.ok(lines.some(line => /the channel was lost before a confirm; publishing again/.test(String(line.msg))))
  assert.equal(await broker.depth(queues.in), 0)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('publishing connection that hangs: nothing is repeated while it lives, and the late confirm counts', async t => {
  const { proxy, harness, passes } = await startBehindProxy(t, { silentMs: 50, patienceMs: 100 })
  const { broker, queues, end, lines } = harness
  const confirm = `confirm of a message for "${queues.out}"`
  const named = stepsOf(lines, confirm)
  await forwardWhileStalled(harness, proxy, passes)
  await waitFor(() => named().length > 0, { describe: 'the silence to be named' })
  const namedAt = performance.now()
  await waitFor(() => performance.now() - namedAt > 500, { describe: 'five deadlines to pass' })
  proxy.resume()
  await waitFor(() => broker.depth(queues.out), { describe: 'the message in the next queue' })
  await end()
  const copies = await broker.takeAll(queues.out)
  assert.deepEqual(
    copies.map(copy => [copy.body.toString(), copy.headers]),
    [['next of one', {}]],
  )
  assert.deepEqual(named(), ['the broker does not answer; waiting', 'the broker answers again'])
  assert.deepEqual(passes.handled, ['one'])
  assert.equal(await broker.depth(queues.in), 0)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('publishing connection half open at the end: the message is given back and the process can end', async t => {
  const { proxy, harness, passes } = await startBehindProxy(t)
  const { broker, queues, stop, force, end } = harness
  proxy.halfOpen()
  await broker.publish(queues.in, 'one')
  await waitFor(() => passes.handled.length === 1, { describe: 'the message to be handled' })
  stop.abort()
  force.abort()
  await end()
  await waitFor(() => proxy.open === 0, { describe: 'the dead socket to be closed' })
  const message = await broker.expectMessage(queues.in)
  assert.equal(message.body.toString(), 'one')
  assert.equal(message.redelivered, true)
  assert.equal(await broker.depth(queues.out), 0)
})

test('publishing connection that hangs while no channel is open yet: the end of work ends the wait', async t => {
  const { proxy, harness, passes } = await startBehindProxy(t, { warmUp: false })
  const { broker, queues, stop, force, end } = harness
  proxy.stall()
  await broker.publish(queues.in, 'one')
  await waitFor(() => passes.handled.length === 1, { describe: 'the message to be handled' })
  stop.abort()
  force.abort()
  await end()
  assert.equal((await broker.expectMessage(queues.in)).redelivered, true)
  proxy.resume() // a stalled proxy does not see that its client has gone
  await waitFor(() => proxy.open === 0, { describe: 'the hanging socket to be closed' })
})

test('consuming connection that hangs after the ack: what was to follow it is given up at the end of work', async t => {
  const shared = await brokerForTests(t)
  const proxy = await TcpProxy.start({ port: Number(new URL(shared.url).port) })
  t.after(() => proxy.close())
  let handled = false
  const { broker, queues, lines, stop, force, end } = await startHarness(t, {
    consumeUrl: proxy.through(shared.url),
    handle: async () => {
      proxy.stall()
      handled = true
      return done({ afterwards: () => Promise.reject(new Error('it ran')) })
    },
  })
  await broker.publish(queues.in, 'one')
  await waitFor(() => handled, { describe: 'the message to be handled' })
  stop.abort()
  force.abort()
  let ended = false
  end().then(() => {
    ended = true
  })
  await waitFor(() => ended, { describe: 'the end' })
  assert.ok(!lines.some(line => /it ran/.test(JSON.stringify(line))))
})

interface Passes {
  readonly handled: string[]
  /** Messages whose successor is confirmed. */
  confirmed: number
}

async function startBehindProxy(
  t: TestContext,
  options: { silentMs?: number; patienceMs?: number; warmUp?: boolean } = {},
) {
  const broker = await brokerForTests(t)
  const proxy = await TcpProxy.start({ port: Number(new URL(broker.url).port) })
  t.after(() => proxy.close())
  const passes: Passes = { handled: [], confirmed: 0 }
  const harness = await startHarness(t, {
    publishUrl: proxy.through(broker.url),
    ...options,
    handle: async (context, { out }) => {
      const body = context.delivery.body.toString()
      if (body !== 'warm up') passes.handled.push(body)
      return forward(out, Buffer.from(`next of ${body}`), { afterwards: async () => void passes.confirmed++ })
    },
  })
  if (options.warmUp ?? true) await warmUp(harness.broker, harness, passes)
  return { proxy, harness, passes }
}

/** Opens the channel for publishing. The message stands in its queue before its confirm is here, which a fault must not hit. */
async function warmUp(broker: TestBroker, { queues }: Harness, passes: Passes): Promise<void> {
  await broker.publish(queues.in, 'warm up')
  await broker.expectMessage(queues.out)
  await waitFor(() => passes.confirmed === 1, { describe: 'the confirm of the warm-up' })
}

async function forwardWhileStalled({ broker, queues }: Harness, proxy: TcpProxy, passes: Passes): Promise<void> {
  proxy.stall()
  await broker.publish(queues.in, 'one')
  await waitFor(() => passes.handled.length === 1, { describe: 'the message to be handled' })
}
