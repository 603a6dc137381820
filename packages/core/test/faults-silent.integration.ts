// A broker that is up and answers nothing, as in a partition: one of its queues is suspended, all else is well.
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { brokerForTests, type PrivateRabbitMq, startRabbitMq, TcpProxy, waitFor } from '@cuckoo-distributed/testing'
import { connect } from 'amqplib'
import { pino } from 'pino'
import { declareQueues } from '../src/broker/queues.js'
import { Silence } from '../src/broker/silence.js'
import { done, forward, Intake } from '../src/index.js'
import { gate, startHarness, stepsOf } from './harness.js'

/** Its `max_message_size`, in bytes, is between what counts as small and what we allow. */
let node: PrivateRabbitMq

before(async () => {
  node = await startRabbitMq({ config: ['max_message_size = 1500000'] })
})
after(() => node.stop())

const MiB = 1024 * 1024
const WAITING = 'the broker does not answer; waiting'
const AGAIN = 'the broker answers again'

test('an unanswered publish is not repeated, keeps no place from others, and its late confirm counts', async t => {
  const large = Buffer.alloc(MiB + 1, 'x')
  const { broker, queues, lines, inWork, end } = await startHarness(t, {
    url: node.url,
    silentMs: 100,
    patienceMs: 200,
    handle: async ({ delivery }, { out }) => {
      if (delivery.body.length > MiB) throw new Error('no')
      return forward(out, large)
    },
  })
  const named = stepsOf(lines, `confirm of a message for "${queues.out}"`)
  const resume = await suspend(t, queues.out)
  await broker.publish(queues.in, 'one')
  await until(named)
  await broker.publish(queues.in, Buffer.alloc(MiB + 1, 'y'))
  await broker.expectMessage(queues.failed)
  await waitFor(() => inWork() === 1, { describe: 'the other one to be settled' })
  await resume()
  await waitFor(() => broker.depth(queues.out), { describe: 'the message in the next queue' })
  await waitFor(() => inWork() === 0, { describe: 'its late confirm' })
  await end()
  const copies = await broker.takeAll(queues.out)
  assert.deepEqual(
    copies.map(copy => copy.headers),
    [{}],
  )
  assert.equal(await broker.depth(queues.in), 0)
  assert.deepEqual(named(), [WAITING, AGAIN])
})

for (const isCostly of [false, true]) {
  const what = isCostly ? 'carried out all the same' : 'given back'
  test(`after a long silence what is in hand is ${what}${isCostly ? ' when its work costs much' : ''}`, async t => {
    const bodies = ['one', 'two', 'three', 'four', 'five', 'six']
    const [all, second] = [gate(), gate()]
    let passes = 0
    const { broker, queues, lines, inWork, end } = await startHarness(t, {
      url: node.url,
      silentMs: 20,
      quietMs: 50,
      patienceMs: 200,
      isCostly,
      handle: async ({ delivery }, { out }) => {
        passes += 1
        if (passes === bodies.length) all.open()
        // What came in a silence would ask the queue sooner.
        await (delivery.body.toString() === 'one' ? all : second).opened
        return forward(out, delivery.body)
      },
    })
    const named = stepsOf(lines, `confirm of a message for "${queues.out}"`)
    const resume = await suspend(t, queues.out)
    for (const body of bodies) await broker.publish(queues.in, body)
    await until(named)
    await new Promise(resolve => setTimeout(resolve, 400)) // a silence that is long
    second.open()
    await resume()
    await waitFor(async () => ((await broker.depth(queues.out)) ?? 0) === bodies.length, { describe: 'all of them' })
    await waitFor(async () => (await broker.depth(queues.in)) === 0, { describe: 'nothing to wait' })
    await waitFor(() => inWork() === 0, { describe: 'all confirms' })
    await end()
    const copies = (await broker.takeAll(queues.out)).map(copy => copy.body.toString())
    assert.deepEqual(copies.sort(), bodies.sort())
    const givenBack = lines.filter(line => line.msg === 'returned to its queue').length
    assert.equal(givenBack, passes - bodies.length)
    // Those that ask a silent queue are sent; there is time for few.
    assert.ok(isCostly ? givenBack === 0 : givenBack > 0, `${givenBack}`)
  })
}

test('what the broker takes away and gives out again while it is in hand is passed on once, on a new channel', async t => {
  const held = gate()
  let passes = 0
  const { broker, queues, lines, end } = await startHarness(t, {
    url: node.url,
    queueType: 'quorum',
    patienceMs: 50,
    handle: async ({ delivery }, { out }) => {
      passes += 1
      if (!delivery.redelivered) await held.opened
      return forward(out, delivery.body)
    },
  })
  const bodies = ['one', 'two', 'three']
  for (const body of bodies) await broker.publish(queues.in, body)
  await waitFor(() => passes === 3, { describe: 'all to be in hand' })
  await new Promise(resolve => setTimeout(resolve, 60))
  await loseSight(queues.in)
  await waitFor(() => lines.some(line => /lost the connection/.test(String(line.msg))), { describe: 'a new channel' })
  held.open()
  await waitFor(async () => ((await broker.depth(queues.out)) ?? 0) === 3, { describe: 'all to be passed on' })
  await end()
  const copies = (await broker.takeAll(queues.out)).map(copy => copy.body.toString())
  assert.deepEqual(copies.sort(), bodies.sort())
  assert.equal(await broker.depth(queues.in), 0)
})

test('a body that the broker refuses takes no small one with it: they share no channel', async t => {
  const { broker, queues, lines, end } = await startHarness(t, {
    url: node.url,
    silentMs: 100,
    handle: async ({ delivery }, { out }) => {
      return forward(out, delivery.body.toString() === 'large' ? Buffer.alloc(2 * MiB, 'x') : delivery.body)
    },
  })
  const named = stepsOf(lines, `confirm of a message for "${queues.out}"`)
  const resume = await suspend(t, queues.out)
  await broker.publish(queues.in, 'small')
  await until(named)
  await broker.publish(queues.in, 'large')
  const failed = await broker.expectMessage(queues.failed)
  assert.match(failed.body.toString(), /MESSAGE_TOO_LARGE/)
  await resume()
  const small = await broker.expectMessage(queues.out)
  assert.deepEqual([small.body.toString(), small.headers], ['small', {}])
  await end()
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
    leastPublishMs: 1000,
    handle: async (_, { out }) => {
      passes += 1
      return forward(out, Buffer.alloc(400_000, 'x'))
    },
  })
  const resume = await suspend(t, queues.out)
  for (let index = 0; index < 3; index += 1) await broker.publish(queues.in, `${index}`)
  await waitFor(() => passes >= 9, { describe: 'each to come three times' })
  assert.ok(proxy.bytesUp < 800_000, `${proxy.bytesUp} bytes were sent`)
  await resume()
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
  const named = stepsOf(lines, `basic.cancel for "${queues.in}"`)
  const resume = await suspend(t, queues.in)
  intake.close()
  await until(named)
  intake.open()
  let ended = false
  const ending = end().then(() => {
    ended = true
  })
  await waitFor(() => ended, { describe: 'the end' })
  await ending
  assert.deepEqual(named(), [WAITING])
  assert.ok(!lines.some(line => /lost the connection/.test(String(line.msg))), 'the end is no loss')
  await resume()
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
  const named = stepsOf(lines, `basic.consume for "${queues.in}"`)
  const resume = await suspend(t, queues.in)
  intake.open()
  await until(named)
  await resume()
  await handled.opened
  await end()
  assert.deepEqual(named(), [WAITING, AGAIN])
})

test('a declaration that is not answered is named, and another broker is tried', async t => {
  const { broker, queues } = await startHarness(t, { url: node.url, handle: async () => done() })
  const resume = await suspend(t, queues.out)
  const lines: Record<string, unknown>[] = []
  const named = stepsOf(lines, `declaration of "${queues.out}"`)
  const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) })
  const connection = await connect(node.url)
  t.after(() => connection.close())
  const options = { type: 'classic' as const, silence: new Silence(log, 1), limitMs: 2000 }
  await assert.rejects(declareQueues(connection, [{ name: queues.out }], options), /no answer within 2 s/)
  assert.deepEqual(named(), [WAITING])
  await resume()
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

/** As when the node of its consumers was away for `net_ticktime` and is back: what they had is given out again. */
async function loseSight(queue: string): Promise<void> {
  const lookup = `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>))`
  const send = (command: string) => `ra:process_command(amqqueue:get_pid(Q), ${command})`
  const away = `[${send('{down, element(1, C), noconnection}')} || C <- rabbit_amqqueue:consumers(Q)]`
  await node.ctl('eval', `${lookup}, ${away}, ${send('{nodeup, node()}')}.`)
}

/** Erlang for the process of a queue. */
function pidOf(queue: string): string {
  return `amqqueue:get_pid(element(2, rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>))))`
}

/** The queue takes no request any more until it is resumed, by what this returns: what is sent to it waits. */
async function suspend(t: TestContext, queue: string): Promise<() => Promise<unknown>> {
  await node.ctl('eval', `sys:suspend(${pidOf(queue)}).`)
  let resumed: Promise<unknown> | undefined
  const resume = () => {
    resumed ??= node.ctl('eval', `sys:resume(${pidOf(queue)}).`)
    return resumed
  }
  t.after(resume)
  return resume
}

function until(named: () => unknown[]): Promise<unknown> {
  return waitFor(() => named().length > 0, { describe: 'the silence to be named' })
}
