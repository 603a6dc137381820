/** The server in this process, in front of a scene whose scheduler may run or not. */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { CuckooClient } from '@cuckoo-distributed/sandbox-client'
import { apis } from '../src/apis.js'
import { Janitor } from '../src/files/janitor.js'
import type { ServerContext } from '../src/server/context.js'
import { createServer, type Server } from '../src/server/server.js'
import type { Scene } from './dispatch-scene.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })

export interface ServedScene extends Server {
  readonly url: string
  /** The client that the pipeline uses. */
  readonly client: CuckooClient
}

/** Serves the scene on a free port until the test ends; `given` replaces parts of what the server works with. */
export async function serveScene(
  t: TestContext,
  scene: Scene,
  given: Partial<ServerContext> = {},
): Promise<ServedScene> {
  const { config, store, files } = scene
  const janitor = new Janitor({ store, files, log })
  const closing = new AbortController()
  const wake = () => scene.scheduler.wake()
  const context = { config, store, files, janitor, log, closing: closing.signal, wake, ...given }
  const server = createServer(context, apis)
  const url = await server.app.listen({ host: '127.0.0.1', port: 0 })
  const client = new CuckooClient({ baseUrl: new URL(url), verifySsl: true, maxConnections: 2 })
  t.after(async () => {
    closing.abort()
    await client[Symbol.asyncDispose]()
    await server.app.close()
  })
  return { ...server, url, client }
}

export interface RawAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Sends these very bytes to the server and resolves with the one answer that it gives before it closes the connection. */
export async function sendRaw(url: string, request: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  // The server may close before it has read everything.
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  socket.write(request)
  await closed
  const [head = '', body = ''] = Buffer.concat(chunks)
    .toString('latin1')
    .split(/\r\n\r\n(.*)/s)
  const [first = '', ...lines] = head.split('\r\n')
  const headers = lines
    .map(line => line.split(/: (.*)/s))
    .map(([name = '', value = '']) => [name.toLowerCase(), value] as const)
  const isChunked = headers.some(([name, value]) => name === 'transfer-encoding' && value === 'chunked')
  return { status: Number(first.split(' ')[1]), headers: new Map(headers), body: isChunked ? joinChunks(body) : body }
}

/** The body out of its chunks; an incomplete last one is left as it is. */
function joinChunks(body: string): string {
  const [, size = '', rest = ''] = /^([0-9a-f]+)\r\n(.*)$/s.exec(body) ?? []
  const end = Number.parseInt(size, 16)
  if (end === 0 || rest.length < end) return end === 0 ? '' : body
  return rest.slice(0, end) + joinChunks(rest.slice(end + 2))
}
