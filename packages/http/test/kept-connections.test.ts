// Connections that are kept for the next request, and the server that closes one just when a request goes out on it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { HttpClient, RequestOptions } from '../src/index.js'
import { NetworkError } from '../src/index.js'
import { clientFor } from './server.js'

const { signal } = new AbortController()
const get = { method: 'GET', path: '/x', signal } as const
const post = { method: 'POST', path: '/x', body: 'a', signal } as const
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** What a server does with a request: `ok` answers it; the others end the connection without an answer. */
type Deed = 'ok' | 'end' | 'reset'

/** Does with the requests of each connection what `deeds` says of it, in their order; `seen` has the number of each request's connection. */
async function serveInOrder(t: TestContext, deeds: readonly (readonly Deed[])[]) {
  const sockets: Socket[] = []
  const seen: number[] = []
  const server = createServer(socket => {
    const number = sockets.push(socket) - 1
    let count = 0
    let text = ''
    socket.on('error', () => undefined)
    socket.on('data', chunk => {
      text += chunk
      // Each comes with its whole body.
      if (!/\r\n\r\n(?:a|$)/.test(text) || (text.startsWith('POST') && !text.endsWith('a'))) return
      text = ''
      seen.push(number)
      const deed = deeds[number]?.[count++] ?? 'ok'
      if (deed === 'ok') socket.write(ANSWER)
      else if (deed === 'end') socket.end()
      else socket.resetAndDestroy()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return { url: `http://127.0.0.1:${address.port}`, seen, sockets }
}

async function ask(client: HttpClient, options: RequestOptions): Promise<string> {
  const text = await (await client.request(options)).text(2)
  await setImmediate() // from then on its connection is free
  return text
}

test('repeatable requests follow each other on one connection; others have one each', async t => {
  const { url, seen } = await serveInOrder(t, [])
  const client = clientFor(t, url, { idleMs: 60_000 })
  for (const request of [get, { ...post, isRepeatable: true }, post, get, post])
    assert.equal(await ask(client, request), 'ok')
  assert.deepEqual(seen, [0, 0, 1, 0, 2])
})

for (const ending of ['end', 'reset'] as const) {
  test(`what went out on a kept connection that ends then is sent again: ${ending}`, async t => {
    const { url, seen } = await serveInOrder(t, [
      ['ok', ending],
      ['ok', ending],
    ])
    const client = clientFor(t, url, { idleMs: 60_000 })
    let begun = 0
    for (let i = 0; i < 3; i += 1)
      assert.equal(await ask(client, { ...post, isRepeatable: true, onBegun: () => (begun += 1) }), 'ok')
    assert.deepEqual(seen, [0, 0, 1, 1, 2])
    assert.equal(begun, 5)
  })

  test(`on a new connection it is not: ${ending}`, async t => {
    const { url, seen } = await serveInOrder(t, [[ending], ['ok', ending], [ending]])
    const client = clientFor(t, url, { idleMs: 60_000 })
    await assert.rejects(ask(client, get), NetworkError)
    assert.equal(await ask(client, get), 'ok')
    await assert.rejects(ask(client, get), NetworkError)
    assert.deepEqual(seen, [0, 1, 1, 2])
  })
}

test('several that wait for their answers on kept connections are all sent again', async t => {
  const { url, seen } = await serveInOrder(t, [
    ['ok', 'reset'],
    ['ok', 'end'],
    ['ok', 'reset'],
  ])
  const client = clientFor(t, url, { idleMs: 60_000 })
  const three = () => Promise.all([get, get, get].map(request => ask(client, request)))
  assert.deepEqual([await three(), await three()], [Array(3).fill('ok'), Array(3).fill('ok')])
  assert.equal(seen.length, 9)
  assert.equal(new Set(seen).size, 6)
})

test('an idle connection is closed', async t => {
  const { url, sockets } = await serveInOrder(t, [])
  const client = clientFor(t, url, { idleMs: 20 })
  await ask(client, get)
  const [socket] = sockets
  assert.ok(socket)
  if (!socket.readableEnded) await once(socket, 'end')
})

test('an abort is none', async t => {
  const { url, seen } = await serveInOrder(t, [['ok']])
  const client = clientFor(t, url, { idleMs: 60_000 })
  await ask(client, get)
  const stop = new AbortController()
  const asked = ask(client, { ...post, isRepeatable: true, signal: stop.signal, onBegun: () => stop.abort() })
  await assert.rejects(asked, { name: 'AbortError' })
  assert.ok(seen.length <= 2)
})
