// The page of the overseer, and its HTTP API: on loopback, for whoever has the token.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { resolve } from 'node:path'
import { describeError, listenHttp, type ServiceDependencies } from '@cuckoo-distributed/core'
import { EventClients, embedPage, guardPage, type Refusal } from '@cuckoo-distributed/page'
import { linkedController } from '@cuckoo-distributed/wait'
import type { OverseerConfig } from '../config.js'
import { DumpList } from '../dumps/dump-list.js'
import { script, style } from '../generated/page.js'
import { sendJson } from './exchange.js'
import { Live } from './live.js'
import { Operations } from './operations.js'
import { ROUTES, type RouteContext, statusOf } from './routes.js'

export interface AdminOptions extends Pick<ServiceDependencies, 'log' | 'publisher' | 'telemetry' | 'stop'> {
  readonly config: OverseerConfig
  /** `key`: what is to be changed when it cannot listen there. */
  readonly listen: { readonly host: string; readonly port: number; readonly key: string }
  /** Not empty. */
  readonly token: string
  /** Nothing can be changed by it. */
  readonly isReadOnly: boolean
}

export interface Admin extends AsyncDisposable {
  /** Where the page is, without the token. */
  readonly url: string
}

const MOST_PATHS = /^(\/api\/(?:dumps|elsewhere))\/([^/]+)(\/text)?$/
const COMMON = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
} as const
const REFUSALS: Readonly<Record<Refusal['reason'], string>> = {
  'no-host': 'The Host header is missing.',
  'unknown-host': 'The page can be reached only by names and addresses of loopback.',
  'foreign-page': 'Pages of other sites may not use this server.',
  token: 'The token is missing or wrong.',
}

/** Serves until it is disposed of. Rejects with ConfigError when it cannot listen. */
export async function openAdmin(options: AdminOptions): Promise<Admin> {
  const { config, isReadOnly, token, log } = options
  const page = embedPage('Overseer', { script, style })
  const refusalOf = guardPage({ token, hosts: [] })
  const dumps = new DumpList(resolve(config.DumpDir))
  const live = new Live(config, { isReadOnly, dumps })
  const clients = new EventClients()
  const follow = (response: ServerResponse) => followLive(live, clients, response)
  const operations = new Operations({ ...options, dumps })
  const serving = new Set<Promise<void>>()
  const listener = await listenHttp(options.listen, (request, response) => {
    const refusal = refusalOf(request)
    if (refusal) refuse(response, refusal)
    else if (request.method === 'GET' && request.url === '/') {
      response.writeHead(200, { ...page.headers }).end(page.html)
    } else {
      const served = serve(request, response, { ...options, operations, follow })
      serving.add(served)
      void served.finally(() => serving.delete(served))
    }
  })
  const { family, address, port } = listener.address
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/`
  log.info({ url, isReadOnly }, 'the page is served')
  return {
    url,
    async [Symbol.asyncDispose]() {
      clients[Symbol.dispose]()
      await listener[Symbol.asyncDispose]()
      // A dump in hand is finished.
      await Promise.all(serving)
      await live[Symbol.asyncDispose]()
    },
  }
}

function followLive(live: Live, clients: EventClients, response: ServerResponse): void {
  const isFirst = clients.size === 0
  if (!clients.add(response, { first: live.last ? [{ name: 'overview', data: live.last }] : [] })) return
  if (isFirst) live.start(overview => clients.send({ name: 'overview', data: overview }))
  response.once('close', () => {
    if (clients.size === 0) live.stop()
  })
}

type ServeOptions = Omit<RouteContext, 'signal'> & Pick<AdminOptions, 'log' | 'stop'>

async function serve(request: IncomingMessage, response: ServerResponse, options: ServeOptions): Promise<void> {
  for (const [name, value] of Object.entries(COMMON)) response.setHeader(name, value)
  using linked = linkedController(options.stop)
  response.once('close', () => linked.controller.abort(new Error('the client has left')))
  const url = new URL(request.url ?? '/', 'http://page')
  const { path, name } = pathOf(url.pathname)
  const { method = 'GET' } = request
  const route = ROUTES[`${method} ${path}`]
  try {
    if (route === undefined) sendJson(response, 404, { message: 'There is no such resource.' })
    else if (options.isReadOnly && method !== 'GET')
      sendJson(response, 403, { message: 'Nothing can be changed here.' })
    else await route({ request, response, url, name }, { ...options, signal: linked.controller.signal })
  } catch (error: unknown) {
    if (response.destroyed) return
    const { status, message } = statusOf(error)
    if (status === 500) options.log.warn({ cause: describeError(error), path }, 'a request of the page failed')
    if (response.headersSent) response.destroy()
    else sendJson(response, status, { message })
  }
}

/** The path as `ROUTES` has it. */
function pathOf(pathname: string): { readonly path: string; readonly name: string } {
  const [, before, name, rest = ''] = MOST_PATHS.exec(pathname) ?? []
  if (name === undefined) return { path: pathname, name: '' }
  try {
    return { path: `${before}/:name${rest}`, name: decodeURIComponent(name) }
  } catch {
    return { path: '', name: '' }
  }
}

function refuse(response: ServerResponse, { status, reason }: Refusal): void {
  if (status === 401) response.setHeader('www-authenticate', 'Bearer')
  sendJson(response, status, { message: REFUSALS[reason] })
}
