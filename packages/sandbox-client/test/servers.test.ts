/** Which server gets which token. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { startCuckoo } from '@cuckoo-distributed/testing'
import { CuckooServers } from '../src/index.js'

const { signal } = new AbortController()

test('an API token goes to the server that it is for, and to no other', async t => {
  const guarded = await startCuckoo({ version: '2.0', apiToken: 'abc' })
  t.after(() => guarded.close())
  const shown: (string | undefined)[] = []
  const other = createServer((request, response) => {
    shown.push(request.headers.authorization)
    response.setHeader('content-type', 'application/json').end('{"machines": []}')
  })
  await once(other.listen(0, '127.0.0.1'), 'listening')
  t.after(() => other.close())
  const address = other.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const apiTokens = { 'http://elsewhere.invalid': 'def', [`${guarded.url}/`]: 'abc' }
  await using servers = new CuckooServers({ verifySsl: true, maxConnections: 1, apiTokens })

  assert.equal((await servers.at(new URL(guarded.url)).client.status(signal)).version, '2.0.7')
  await servers.at(new URL(`http://127.0.0.1:${port}`)).client.listMachines(signal)
  assert.deepEqual(shown, [undefined])
})
