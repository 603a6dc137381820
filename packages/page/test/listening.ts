/** A server on a free port of loopback, with its clients of events, until the test ends. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { TestContext } from 'node:test'
import type { EventClients } from '@cuckoo-distributed/page'

export async function listening(t: TestContext, clients: EventClients, answer: RequestListener) {
  const server: Server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    clients[Symbol.dispose]()
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  assert(typeof address === 'object' && address !== null)
  return { server, port: address.port, url: `http://127.0.0.1:${address.port}/` }
}
