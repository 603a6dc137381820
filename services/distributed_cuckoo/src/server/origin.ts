/** What keeps the web pages of others out: a browser on the network of this server would otherwise be their way to it. */
import { knownHosts } from '@cuckoo-distributed/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { DistributedConfig } from '../config.js'
import { isOpen } from './auth.js'
import { ApiError } from './errors.js'

/**
 * Refuses requests that the page of another origin makes. Without a token, refuses as well those to a name that is not known to be
 * ours: that page may have had its own name resolved to our address, and would then be of the same origin.
 */
export function refuseForeignPages(app: FastifyInstance, config: DistributedConfig): void {
  const isOurs = knownHosts([...config.AllowedHosts, config.Host])
  app.addHook('onRequest', async request => {
    const { host } = request.headers
    // Browsers always name one, and only clients of HTTP/1.0 need not (RFC 9112, 3.2).
    if (host === undefined && request.raw.httpVersion === '1.1') throw new ApiError(400, 'The Host header is missing')
    if (config.ApiToken === '' && host !== undefined && !isOurs(host)) {
      throw new ApiError(403, 'This server does not go by that name: add it to AllowedHosts, or set ApiToken')
    }
    if (!isOpen(request) && isForeign(request)) {
      throw new ApiError(403, 'Pages of other sites may not use this server')
    }
  })
}

/** Whether the request says that a page of another origin makes it (`w3c/webappsec-fetch-metadata`, RFC 6454). */
function isForeign({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  // A proxy may have taken TLS off, so that the scheme tells nothing.
  return headers.origin !== undefined && hostOf(headers.origin) !== hostOf(`http://${headers.host}`)
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined
}
