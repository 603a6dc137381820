// A web server that is no bottleneck, unless it is told to be: it sends one prepared body for every path.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { Body } from '@cuckoo-distributed/testing'

export interface Served extends AsyncDisposable {
  readonly url: string
}

/** `bytesPerSecond` is as fast as each answer goes; default as fast as it can. */
export async function serve(body: Body, bytesPerSecond = Number.POSITIVE_INFINITY): Promise<Served> {
  const server = createServer(async (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-length': body.bytes, connection: 'close' })
    const start = performance.now()
    let sent = 0
    for await (const chunk of body.stream()) {
      if (!response.write(chunk)) await once(response, 'drain')
      sent += chunk.length
      const early = start + (sent / bytesPerSecond) * 1000 - performance.now()
      if (early > 1) await setTimeout(early)
    }
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port')
  const stop = async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return { url: `http://127.0.0.1:${address.port}`, [Symbol.asyncDispose]: stop }
}
