import assert from 'node:assert/strict'
import dns from 'node:dns'
import { mock, type TestContext, test } from 'node:test'
import { AddressRefusedError } from '../src/index.js'
import { clientFor, serve } from './server.js'

const request = () => ({ method: 'GET', path: '/', signal: AbortSignal.timeout(10_000) }) as const

async function counting(t: TestContext) {
  let asked = 0
  const url = await serve(t, (_request, response) => {
    asked += 1
    response.end('ok')
  })
  return { port: new URL(url).port, asked: () => asked }
}

function isRefused(error: unknown): boolean {
  assert(error instanceof Error && error.cause instanceof AddressRefusedError, String(error))
  return true
}

test('a connection is made to an allowed address, and to no other, by whatever name', async t => {
  const { port, asked } = await counting(t)
  const allowing = (host: string, wanted: string) =>
    clientFor(t, `http://${host}:${port}`, { isAllowed: address => address === wanted })
  assert.equal(await (await allowing('127.0.0.1', '127.0.0.1').request(request())).text(2), 'ok')
  assert.equal(await (await allowing('localhost', '127.0.0.1').request(request())).text(2), 'ok')
  const before = asked()
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '0x7f.1', '2130706433']) {
    await assert.rejects(allowing(host, '10.0.0.1').request(request()), isRefused, host)
  }
  assert.equal(asked(), before)
})

test('a name that leads elsewhere the second time is refused then', async t => {
  const { port, asked } = await counting(t)
  const answers = ['127.0.0.1', '127.0.0.2']
  const lookup = mock.method(dns, 'lookup', (_name: string, _options: object, callback: (...args: unknown[]) => void) =>
    callback(null, [{ address: answers.shift(), family: 4 }]),
  )
  t.after(() => lookup.mock.restore())
  const client = clientFor(t, `http://node.example:${port}`, { isAllowed: address => address === '127.0.0.1' })
  assert.equal(await (await client.request(request())).text(2), 'ok')
  await assert.rejects(client.request(request()), isRefused)
  assert.equal(asked(), 1)
})
