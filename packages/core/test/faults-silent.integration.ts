// A broker that is up and answers nothing, as in a partition: one of its queues is suspended, all else is well.
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { brokerForTests, type PrivateRabbitMq, startRabbitMq, TcpProxy, waitFor } from '@cuckoo-distributed/testing'
import { connect } from 'amqplib'
import { pino } from 'pino'
import { declareQueues } from '../src/broker/queues.js'
import { Silence } from '../src/broker/silence.js'
import { done, forward, Intake } from '../src/index.js'
import { gate, type Harness, startHarness } from './harness.js'

let node: PrivateRabbitMq

before(async () => {
  node = await startRabbitMq()
})
after(() => node.stop())

const MiB = 1024 * 1024

test('an unanswered publish is not repeated, keeps no place from others, and its late confirm counts', async t => {
  const large = Buffer.alloc(MiB + 1, 'x')
  const { broker, queues, lines, end } = await startHarness(t, {
    url: node.url,
    silentMs: 100,
    placeMs: 200,
    handle: async ({ delivery }, { out }) => {
      if (delivery.body.length > MiB) throw new Error('no')
      return forward(out, large)
    },
  })
  await suspend(t, queues.out)
  await broker.publish(queues.in, 'one')
  await logged(lines, /does not answer/)
  await broker.publish(queues.in, Buffer.alloc(MiB + 1, 'y'))
  await broker.expectMessage(queues.failed)
  await node.ctl('eval', `sys:resume(${pidOf(queues.out)}).`)
  await waitFor(() => broker.depth(queues.out), { describe: 'the message in the next queue' })
  await end()
  const copies = await broker.takeAll(queues.out)
  assert.deepEqual(
    copies.map(copy => copy.headers),
    [{}],
  )
  assert.equal(await broker.depth(queues.in), 0)
  assert.deepEqual(steps(lines), [
    [`confirm of a message for "${queues.out}"`, 'the broker does not answer; waiting'],
    [`confirm of a message for "${queues.out}"`, 'the broker answers again'],
  ])
})

test('what is sent to a queue without an answer is bounded, beyond the hand-back at HoldLimit as well', async t => {
  const proxy = await TcpProxy.start({ port: node.port })
  t.after(() => proxy.close())
  let passes = 0
  const { broker, queues, end } = await startHarness(t, {
    url: node.url,
    publishUrl: proxy.through(node.url),
    maxUnansweredBytes: 500_000,
    holdLimitMs: 100,
    leastPublishMs: 300,
    handle: async (_, { out }) => {
      passes += 1
      return forward(out, Buffer.alloc(400_000, 'x'))
    },
  })
  await suspend(t, queues.out)
  for (let index = 0; index < 3; index += 1) await broker.publish(queues.in, `${index}`)
  await waitFor(() => passes >= 9, { describe: 'each to come three times' })
  assert.ok(proxy.bytesUp < 800_000, `${proxy.bytesUp} bytes were sent`)
  await node.ctl('eval', `sys:resume(${pidOf(queues.out)}).`)
  await waitFor(async () => ((await broker.depth(queues.out)) ?? 0) >= 3, { describe: 'all messages' })
  await waitFor(async () => (await broker.depth(queues.in)) === 0, { describe: 'nothing to wait' })
  await end()
})

test('consuming and cancelling that are not answered are named, and do not hold up the end', async t => {
  const intake = new Intake()
  const { broker, queues, lines, end } = await startHarness(t, {
    url: node.url,
    silentMs: 100,
    intake,
    handle: async () => done(),
  })
  await suspend(t, queues.in)
  intake.close()
  await logged(lines, /does not answer/)
  intake.open()
  let ended = false
  const ending = end().then(() => {
    ended = true
  })
  await waitFor(() => ended, { describe: 'the end', deadlineMs: 5000 })
  await ending
  assert.deepEqual(steps(lines), [[`basic.cancel for "${queues.in}"`, 'the broker does not answer; waiting']])
  await node.ctl('eval', `sys:resume(${pidOf(queues.in)}).`)
  await waitFor(async () => (await broker.consumers(queues.in)) === 0, { describe: 'the consumer to be gone' })
})

test('consuming that is not answered is named once, and goes on when it is', async t => {
  const intake = new Intake()
  intake.close()
  const handled = gate()
  const { broker, queues, lines, end } = await startHarness(t, {
    url: node.url,
    silentMs: 100,
    intake,
    handle: async () => {
      handled.open()
      return done()
    },
  })
  await broker.publish(queues.in, 'one')
  await suspend(t, queues.in)
  intake.open()
  await logged(lines, /does not answer/)
  await node.ctl('eval', `sys:resume(${pidOf(queues.in)}).`)
  await handled.opened
  await end()
  assert.deepEqual(steps(lines), [
    [`basic.consume for "${queues.in}"`, 'the broker does not answer; waiting'],
    [`basic.consume for "${queues.in}"`, 'the broker answers again'],
  ])
})

test('a declaration that is not answered is named, and another broker is tried', async t => {
  const { broker, queues } = await startHarness(t, { url: node.url, handle: async () => done() })
  await suspend(t, queues.out)
  const lines: Harness['lines'] = []
  const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) })
  const connection = await connect(node.url)
  t.after(() => connection.close())
  const options = { type: 'classic' as const, silence: new Silence(log, 50), limitMs: 200 }
  await assert.rejects(declareQueues(connection, [{ name: queues.out }], options), /no answer within 0.2 s/)
  assert.deepEqual(steps(lines), [[`declaration of "${queues.out}"`, 'the broker does not answer; waiting']])
  await node.ctl('eval', `sys:resume(${pidOf(queues.out)}).`)
  await waitFor(async () => (await broker.depth(queues.out)) === 0, { describe: 'the queue to answer' })
})

test('the next broker of the list is taken when one is gone, and the first one again when that is gone', async t => {
  const shared = await brokerForTests(t)
  const [one, two] = await Promise.all([0, 1].map(() => TcpProxy.start({ port: Number(new URL(shared.url).port) })))
  assert.ok(one && two)
  t.after(() => one.close())
  t.after(() => two.close())
  const urls = [one.through(shared.url), two.through(shared.url)]
  one.refuse()
  const { broker, queues, lines, end } = await startHarness(t, {
    publishUrl: urls,
    consumeUrl: urls,
    handle: async ({ delivery }, { out }) => forward(out, delivery.body),
  })
  await broker.publish(queues.in, 'by the second')
  await broker.expectMessage(queues.out)
  assert.equal(two.open, 2)
  assert.ok(
    lines.some(line => line.broker === `127.0.0.1:${one.port}` && /cannot reach the broker/.test(String(line.msg))),
  )
  await one.accept()
  two.close()
  await broker.publish(queues.in, 'by the first')
  await broker.expectMessage(queues.out)
  assert.equal(one.open, 2)
  assert.ok(lines.some(line => line.broker === `127.0.0.1:${two.port}` && /lost the connection/.test(String(line.msg))))
  await end()
})

/** Erlang for the process of a queue. */
function pidOf(queue: string): string {
  return `amqqueue:get_pid(element(2, rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>))))`
}

/** The queue takes no request any more until it is resumed: what is sent to it waits. */
async function suspend(t: TestContext, queue: string): Promise<void> {
  await node.ctl('eval', `sys:suspend(${pidOf(queue)}).`)
  t.after(() => node.ctl('eval', `sys:resume(${pidOf(queue)}).`).catch(() => undefined))
}

function steps(lines: Harness['lines']): unknown[] {
  return lines.filter(line => line.step !== undefined).map(line => [line.step, line.msg])
}

function logged(lines: Harness['lines'], pattern: RegExp) {
  return waitFor(() => lines.find(line => pattern.test(String(line.msg))), { describe: `the log line ${pattern}` })
}
