// What keeps strangers out, and the web pages of others: a browser on the network of a server would otherwise be their way to it.
import type { IncomingMessage } from 'node:http'
import { knownHosts } from '@cuckoo-distributed/core'
import { tokenCheck } from './token.js'

export interface GuardOptions {
  /** What every request but that for the page must bring; empty = nothing. */
  readonly token: string
  /**
   * Names and addresses, without port, that the server goes by; loopback always is one. `any` is safe with a token only: the page of a
   * stranger may have had its own name resolved to our address, and would then be of the same origin.
   */
  readonly hosts: readonly string[] | 'any'
}

export type Asked = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'httpVersion'>

/** Why a request is refused: its Host header is missing (400) or names another server (403), the page of another origin makes it (403), or its token is missing or wrong (401). */
export interface Refusal {
  readonly status: 400 | 401 | 403
  readonly reason: 'no-host' | 'unknown-host' | 'foreign-page' | 'token'
}

/** What says whether a request is refused. With 401 the server has to send `WWW-Authenticate: Bearer`. */
export function guardPage({ token, hosts }: GuardOptions): (request: Asked) => Refusal | undefined {
  const isOurs = hosts === 'any' ? () => true : knownHosts(hosts)
  const isRight = token === '' ? () => true : tokenCheck(token)
  return request => {
    const { host, authorization } = request.headers
    // Browsers always name one, and only clients of HTTP/1.0 need not (RFC 9112, 3.2).
    if (host === undefined && request.httpVersion === '1.1') return { status: 400, reason: 'no-host' }
    if (host !== undefined && !isOurs(host)) return { status: 403, reason: 'unknown-host' }
    if (isPage(request)) return undefined
    if (isForeign(request)) return { status: 403, reason: 'foreign-page' }
    return isRight(authorization) ? undefined : { status: 401, reason: 'token' }
  }
}

/** Whether the request is for the page, which may be linked to: it holds no data, does nothing, and asks for the token itself. */
export function isPage({ method, url }: Asked): boolean {
  return method === 'GET' && url === '/'
}

/** Whether the request says that a page of another origin makes it (`w3c/webappsec-fetch-metadata`, RFC 6454). */
function isForeign({ headers }: Asked): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  // A proxy may have taken TLS off, so that the scheme tells nothing.
  return headers.origin !== undefined && hostOf(headers.origin) !== hostOf(`http://${headers.host}`)
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined
}
