// The HTTP server for Prometheus and for whoever starts and stops the process. It changes nothing and knows no secrets.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { listenHttp } from '../http-server.js'
import type { Logger } from '../logger.js'
import { listenAddress, type MetricsConfig } from './config.js'
import { hostnameOf, knownHosts } from './host-name.js'
import type { Metrics } from './metrics.js'

const TEXT = 'text/plain; charset=utf-8'

export interface MetricsServerOptions {
  readonly config: MetricsConfig
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>
  /** Why the process is not ready, one line each; empty = it is. Must not reject. */
  readonly unready: () => Promise<readonly string[]>
  readonly log: Logger
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly type?: string
}

/**
 * Listens until it is disposed of. `/livez`: the event loop turns. `/readyz`: 200, or 503 with the reasons. `/metrics`.
 * Rejects with ConfigError when it cannot listen.
 */
export async function serveMetrics(options: MetricsServerOptions): Promise<AsyncDisposable> {
  const { config, log } = options
  const { host, port } = listenAddress(config.MetricsListen)
  const isKnown = knownHosts([host, ...config.MetricsHosts])
  const listener = await listenHttp({ host, port, key: 'MetricsListen' }, (request, response) => {
    void respond(request, response, () => answer(request, isKnown, options))
  })
  log.info({ address: listener.address }, 'metrics and health are served')
  return listener
}

async function respond(request: IncomingMessage, response: ServerResponse, answered: () => Promise<Answer>) {
  const { status, text, type = TEXT } = await answered()
  const body = Buffer.from(text)
  response.writeHead(status, { 'content-type': type, 'content-length': body.length, 'cache-control': 'no-store' })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function answer(
  request: IncomingMessage,
  isKnown: (host: string) => boolean,
  { metrics, unready }: MetricsServerOptions,
): Promise<Answer> {
  const refusal = refusalOf(request, isKnown)
  if (refusal) return refusal
  switch (request.url) {
    case '/livez':
      return { status: 200, text: 'ok\n' }
    case '/readyz': {
      const reasons = await unready()
      return reasons.length === 0 ? { status: 200, text: 'ok\n' } : { status: 503, text: `${reasons.join('\n')}\n` }
    }
    case '/metrics':
      return { status: 200, text: await metrics.text(), type: metrics.contentType }
    default:
      return { status: 404, text: 'try /metrics, /livez or /readyz\n' }
  }
}

/** A page whose name was made to resolve to our address says that name as Host, and no browser leaves Host out. */
function refusalOf(request: IncomingMessage, isKnown: (host: string) => boolean): Answer | undefined {
  const { host } = request.headers
  if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405, text: 'GET and HEAD only\n' }
  if (host === undefined) {
    return request.httpVersion === '1.1' ? { status: 400, text: 'the Host header is missing\n' } : undefined
  }
  const reachedAt = hostnameOf(request.socket.localAddress?.replace(/^::ffff:/, '') ?? '')
  if (isKnown(host) || (reachedAt !== '' && hostnameOf(host) === reachedAt)) return undefined
  return { status: 403, text: 'unknown host name: add it to MetricsHosts\n' }
}
