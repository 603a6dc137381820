// The connection that is kept up, on real sockets: several brokers, one that hangs, one that breaks. The rest is in connection.test.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { type TestContext, test } from 'node:test'
import { brokerForTests, TcpProxy, waitFor } from '@cuckoo-distributed/testing'
import { connect } from 'amqplib'
import { pino } from 'pino'
import { parseBrokers } from '../src/broker/address.js'
import { BrokerConnection, type BrokerConnectionOptions, closeQuietly } from '../src/broker/connection.js'

async function connectionFor(t: TestContext, options: Partial<BrokerConnectionOptions> & { urls?: string[] } = {}) {
  const broker = await brokerForTests(t)
  const lines: Record<string, unknown>[] = []
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const pauses = { waits: 0 }
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
      reset: () => undefined,
    },
    ...options,
  })
  t.after(() => connection[Symbol.asyncDispose]())
  return { connection, lines, pauses, end: new AbortController() }
}

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
