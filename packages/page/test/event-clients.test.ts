import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { EventClients, type EventClientsOptions } from '@cuckoo-distributed/page'
import { waitFor } from '@cuckoo-distributed/testing'
import { listening } from './listening.js'

async function serve(t: TestContext, options: EventClientsOptions = {}) {
  const clients = new EventClients(options)
  const closing = new AbortController()
  const first = [{ name: 'state', data: { text: 'one\ntwo' } }]
  const { port, url } = await listening(t, clients, (_request, response) => {
    clients.add(response, { first, signal: closing.signal })
  })
  return { clients, closing, port, url }
}

async function textOf(response: Response, wanted: RegExp): Promise<string> {
  assert(response.body)
  let text = ''
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part
    if (wanted.test(text)) return text
  }
  return text
}

test('a client gets the state first, then what happens, and its end when the server says so', async t => {
  const { clients, closing, url } = await serve(t)
  const response = await fetch(url)
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  await waitFor(() => clients.size === 1, { describe: 'the client' })
  clients.send({ name: 'dump', data: 7 })
  closing.abort()
  assert.equal(
    await textOf(response, /never/),
    ':\n\nevent: state\ndata: {"text":"one\\ntwo"}\n\nevent: dump\ndata: 7\n\n',
  )
  await waitFor(() => clients.size === 0, { describe: 'the client to be forgotten' })
})

test('a client that goes away is forgotten, and one too many is told to come again', async t => {
  const { clients, url } = await serve(t, { most: 1 })
  const controller = new AbortController()
  await fetch(url, { signal: controller.signal })
  const other = await fetch(url)
  assert.deepEqual([other.status, other.headers.get('retry-after')], [503, '5'])
  controller.abort()
  await waitFor(() => clients.size === 0, { describe: 'the client to be forgotten' })
  assert.equal((await fetch(url)).status, 200)
})

test('a client that does not read is cut off, and holds no more than it may', async t => {
  const { clients, port, url } = await serve(t, { mostWaiting: 64 * 1024 })
  const idle = connect(port, '127.0.0.1')
  t.after(() => idle.destroy())
  idle.on('error', () => {})
  idle.pause()
  idle.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await waitFor(() => clients.size === 1, { describe: 'the client' })
  const reader = await fetch(url)
  let read = 0
  const reading = (async () => {
    for await (const part of reader.body ?? []) read += part.length
  })()
  await waitFor(
    () => {
      clients.send({ name: 'x', data: 'y'.repeat(32 * 1024) })
      return clients.size === 1
    },
    { everyMs: 1, describe: 'the idle client to be cut off' },
  )
  const before = read
  clients.send({ name: 'x', data: 'z'.repeat(1024) })
  await waitFor(() => read > before, { describe: 'the other client to read on' })
  clients[Symbol.dispose]()
  await reading
})
