// The connection that is kept up: what it does between two brokers, or two lives of one.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { type TestContext, test } from 'node:test'
import { brokerForTests, TcpProxy, waitFor } from '@cuckoo-distributed/testing'
import { type ChannelModel, connect } from 'amqplib'
import { pino } from 'pino'
import { parseBrokers } from '../src/broker/address.js'
import { BrokerConnection, type BrokerConnectionOptions, closeQuietly } from '../src/broker/connection.js'
import { BrokerRefusedError } from '../src/broker/refusal.js'

async function connectionFor(t: TestContext, options: Partial<BrokerConnectionOptions> & { urls?: string[] } = {}) {
  const broker = await brokerForTests(t)
  const lines: Record<string, unknown>[] = []
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const pauses = { waits: 0, resets: 0 }
  const connection = new BrokerConnection({
    addresses: parseBrokers(options.urls ?? [broker.url]),
    name: 'test connection',
    log,
    setUp: async () => undefined,
    pause: {
      next: () => {
        pauses.waits += 1
        return 1
      },
      reset: () => {
        pauses.resets += 1
      },
    },
    ...options,
  })
  t.after(() => connection[Symbol.asyncDispose]())
  const messages = () => lines.map(line => String(line.msg))
  return { broker, connection, lines, messages, pauses, end: new AbortController() }
}

for (const [stableMs, resets] of [
  [Number.POSITIVE_INFINITY, 0],
  [0, 3],
] as const) {
  test(`connections that last for less than ${stableMs} ms do not shorten the pauses, others do`, async t => {
    const { connection, pauses, end } = await connectionFor(t, { stableMs })
    for (let times = 1; times <= 3; times += 1) {
      await (times === 1 ? connection.open(end.signal) : connection.connected(end.signal))
      connection.drop(new Error('gone'))
      await waitFor(() => pauses.waits === times, { describe: 'a pause', everyMs: 1 })
    }
    assert.equal(pauses.resets, resets)
  })
}

test('an alarm ends with the connection that told of it', async t => {
  const { connection, end } = await connectionFor(t)
  await connection.open(end.signal)
  const model: ChannelModel = await connection.connected(end.signal)
  model.emit('blocked', 'low on memory')
  let fired = false
  connection.readingTime.after(1, () => {
    fired = true
  })
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(fired, false)
  connection.drop(new Error('the broker is gone'))
  await waitFor(() => fired, { describe: 'time to count again' })
})

test('an alarm and its end are told', async t => {
  const { connection, lines, end } = await connectionFor(t)
  await connection.open(end.signal)
  const model: ChannelModel = await connection.connected(end.signal)
  model.emit('blocked', 'low on memory')
  model.emit('unblocked')
  let fired = false
  connection.readingTime.after(1, () => {
    fired = true
  })
  await waitFor(() => fired, { describe: 'time to count again' })
  assert.deepEqual(
    lines.slice(1).map(({ why, msg }) => [why, msg]),
    [
      ['low on memory', 'the broker reads nothing from publishers (resource alarm); waiting'],
      [undefined, 'the broker reads from publishers again'],
    ],
  )
})

test('a loss is told once to whoever set up on it, with its cause, and never again when the socket closes', async t => {
  const losses: string[] = []
  let ups = 0
  const { connection, end } = await connectionFor(t, {
    setUp: async () => {
      ups += 1
    },
    onLost: cause => losses.push(cause.message),
  })
  await connection.open(end.signal)
  const model = await connection.connected(end.signal)
  connection.drop(new Error('given up'))
  await waitFor(() => ups === 2, { describe: 'the second connection' })
  model.emit('close', new Error('late'))
  const next = await connection.connected(end.signal)
  assert.notEqual(next, model)
  assert.deepEqual(losses, ['given up'])
  next.emit('handler-error', new Error('a listener threw'), 'return')
  await waitFor(() => ups === 3, { describe: 'the third connection' })
  assert.deepEqual(losses, ['given up', 'a listener threw'])
})

test('a set-up that fails is repeated with one line, and what is refused at the start ends it', async t => {
  let failures = 0
  const { connection, messages, end } = await connectionFor(t, {
    setUp: async () => {
      failures += 1
      if (failures < 4) throw new Error('not yet')
    },
  })
  await connection.open(end.signal)
  assert.deepEqual(messages(), ['cannot reach the broker; waiting for it', 'connected to the broker'])
  connection.drop(new Error('gone'))
  failures = 0
  await waitFor(() => messages().length === 5, { describe: 'the next one' })
  assert.deepEqual(messages().slice(2), [
    'lost the connection to the broker',
    'cannot reach the broker; waiting for it',
    'connected to the broker',
  ])

  const refusing = await connectionFor(t, {
    setUp: async () => {
      throw Object.assign(new Error('ACCESS_REFUSED - no'), { code: 403 })
    },
  })
  await assert.rejects(refusing.connection.open(end.signal), BrokerRefusedError)
  await assert.rejects(refusing.connection.connected(end.signal), BrokerRefusedError)
})

test('a refusal later on is waited out', async t => {
  let refuse = false
  const { connection, messages, end } = await connectionFor(t, {
    setUp: async () => {
      if (refuse) throw Object.assign(new Error('ACCESS_REFUSED - no'), { code: 403 })
    },
  })
  await connection.open(end.signal)
  refuse = true
  connection.drop(new Error('gone'))
  await waitFor(() => messages().includes('cannot reach the broker; waiting for it'), { describe: 'the refusal' })
  refuse = false
  await waitFor(() => messages().length === 4, { describe: 'the next connection' })
})

test('brokers are tried in turn, and only a whole round is followed by a pause', async t => {
  const shared = await brokerForTests(t)
  const proxies = await Promise.all([0, 1, 2].map(() => TcpProxy.start({ port: Number(new URL(shared.url).port) })))
  for (const proxy of proxies) t.after(() => proxy.close())
  for (const proxy of proxies.slice(0, 2)) proxy.refuse()
  const urls = proxies.map(proxy => proxy.through(shared.url))
  const { connection, pauses, lines, end } = await connectionFor(t, { urls })
  await connection.open(end.signal)
  assert.equal(pauses.waits, 0)
  proxies[2]?.close()
  await waitFor(() => pauses.waits >= 3, { describe: 'three rounds' })
  assert.deepEqual(
    lines.map(({ broker, msg }) => [broker, msg]),
    [
      [`127.0.0.1:${proxies[0]?.port}`, 'cannot reach the broker; waiting for it'],
      [`127.0.0.1:${proxies[1]?.port}`, 'cannot reach the broker; waiting for it'],
      [`127.0.0.1:${proxies[2]?.port}`, 'connected to the broker'],
      [`127.0.0.1:${proxies[2]?.port}`, 'lost the connection to the broker'],
      [`127.0.0.1:${proxies[0]?.port}`, 'cannot reach the broker; waiting for it'],
      [`127.0.0.1:${proxies[1]?.port}`, 'cannot reach the broker; waiting for it'],
      [`127.0.0.1:${proxies[2]?.port}`, 'cannot reach the broker; waiting for it'],
    ],
  )
})

test('who waits for a connection can give up, and leaves nothing behind; closing ends all waits', async t => {
  const proxy = await TcpProxy.start({ port: 1 })
  t.after(() => proxy.close())
  proxy.stall()
  const { connection, end } = await connectionFor(t, { urls: [`amqp://127.0.0.1:${proxy.port}`] })
  const opening = connection.open(end.signal)
  await waitFor(() => proxy.open === 1, { describe: 'the connection to hang' })
  const other = connection.connected(new AbortController().signal)
  end.abort(new Error('the process stops'))
  await assert.rejects(opening, /the process stops/)
  assert.equal(getEventListeners(end.signal, 'abort').length, 0)
  await Promise.all([
    assert.rejects(other, /the connection to the broker was closed/),
    connection[Symbol.asyncDispose](),
  ])
  await assert.rejects(connection.connected(new AbortController().signal), /was closed/)
  proxy.resume()
  await waitFor(() => proxy.open === 0, { describe: 'the socket to be closed' })
})

test('a connection that breaks while it is closed crashes nothing, although nobody watched it', async t => {
  const shared = await brokerForTests(t)
  const proxy = await TcpProxy.start({ port: Number(new URL(shared.url).port) })
  t.after(() => proxy.close())
  const crashes: unknown[] = []
  const onCrash = (error: unknown) => crashes.push(error)
  process.on('uncaughtException', onCrash)
  t.after(() => process.off('uncaughtException', onCrash))
  const model = await connect(proxy.through(shared.url))
  proxy.stall()
  const closing = closeQuietly(model)
  proxy.cut()
  await closing
  await waitFor(() => proxy.open === 0, { describe: 'the socket to be closed' })
  assert.deepEqual(crashes, [])
})
