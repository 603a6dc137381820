/** Requests to one base URL. */
import { tracingChannel } from 'node:diagnostics_channel'
import { Readable } from 'node:stream'
import type { Dispatcher, Pool } from 'undici'
import type { AddressRule } from './connector.js'
import { NetworkError, StatusError } from './errors.js'
import { Exchange } from './exchange.js'
import type { Upload } from './multipart.js'
import { openPool } from './pool.js'
import { HttpResponse } from './response.js'
import { excerptOf, redact } from './text.js'
import { displayUrl } from './url.js'

/** The tracing channel (`node:diagnostics_channel`) that tells of each request: `{ method, url, headers }`, to which it may add headers, then `result` or `error`. */
const HTTP_CALLS = 'cuckoo_distributed:http'
const CONNECT_TIMEOUT_MS = 30_000
const ERROR_BODY_LIMIT = 16 * 1024
const ERROR_BODY_DEADLINE_MS = 10_000

export interface HttpClientOptions {
  /** Of `parseBaseUrl`, with a path prefix or not; user info in it is sent as HTTP Basic credentials. */
  readonly baseUrl: URL
  /** False accepts any TLS certificate; for this client only. */
  readonly verifySsl: boolean
  /** Connections open at a time; further requests wait. Default: no bound. */
  readonly maxConnections?: number
  /**
   * Milliseconds for which the connection of a repeatable request is kept for the next one. Default 0: each request asks for
   * `Connection: close`, because the built-in server of Cuckoo is one thread and one idle connection blocks all its other
   * clients (`cuckoosandbox/cuckoo:utils/api.py` on bottle's wsgiref server). All other requests always do.
   */
  readonly idleMs?: number
  /** Sent as `Authorization: <scheme> <value>` instead of credentials of the base URL; no error shows the value. */
  readonly token?: { readonly scheme: string; readonly value: string } | undefined
  /** Until a connection is made. Default 30 seconds. */
  readonly connectTimeoutMs?: number | undefined
  /** From the end of a request to the headers of its answer. Default 5 minutes. */
  readonly headersTimeoutMs?: number | undefined
  /** Asked for each connection; what it refuses is a NetworkError whose cause is AddressRefusedError. Default: any address. */
  readonly isAllowed?: AddressRule | undefined
}

export interface RequestOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below the base URL, beginning with a slash, percent-encoded, without a query. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number>> | undefined
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Buffer | string | Upload | undefined
  /** Statuses besides 2xx that are answers, not errors. */
  readonly expectStatus?: readonly number[] | undefined
  /** Texts that no error may show, such as an API key; the password of the base URL always is one. */
  readonly secrets?: readonly string[] | undefined
  /** Ends the request and the reading of its answer; both then reject with its reason. */
  readonly signal: AbortSignal
  /** From the end of the request to the headers of the answer. Default: the client's. */
  readonly headersTimeoutMs?: number | undefined
  /** Between two chunks of the answer. Default 1 minute. */
  readonly bodyTimeoutMs?: number | undefined
  /**
   * It does no harm to send it twice, so that it may go out on a kept connection: it is sent again if the server has closed that
   * meanwhile, which looks as if it might have been handled. Default: for GET only.
   */
  readonly isRepeatable?: boolean
  /** Called when the socket asks for the first byte of the body: from then on the server may have received it. */
  readonly onBegun?: (() => void) | undefined
}

/**
 * An HTTP client of one server. Opens nothing before the first request. Redirects are not followed, nothing is retried but
 * what went out on a kept connection that was closed (`isRepeatable`).
 */
export class HttpClient implements AsyncDisposable {
  /** The base URL as it may be shown: without user info. */
  readonly baseUrl: string
  readonly #prefix: string
  readonly #authorization: string | undefined
  readonly #secrets: readonly string[]
  readonly #headersTimeoutMs: number
  /** Its connections are closed after each answer. */
  readonly #pool: Pool
  readonly #kept: Pool | undefined

  constructor(options: HttpClientOptions) {
    const url = options.baseUrl
    this.baseUrl = displayUrl(url)
    this.#prefix = url.pathname.replace(/\/+$/, '')
    const credentials = url.username || url.password ? [decode(url.username), decode(url.password)] : undefined
    const basic = credentials && Buffer.from(credentials.join(':')).toString('base64')
    const { token } = options
    this.#authorization = token === undefined ? basic && `Basic ${basic}` : `${token.scheme} ${token.value}`
    this.#secrets = [...(basic ? [basic, url.password, decode(url.password)] : []), token?.value ?? '']
    this.#headersTimeoutMs = options.headersTimeoutMs ?? 300_000
    const { verifySsl, maxConnections, isAllowed, idleMs = 0, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options
    const pool = { verifySsl, maxConnections, isAllowed, connectTimeoutMs }
    this.#pool = openPool(url.origin, pool)
    if (idleMs > 0) this.#kept = openPool(url.origin, { ...pool, idleMs })
  }

  /**
   * Sends a request and resolves when the headers of the answer are there; its body is the caller's to read or discard.
   *
   * @throws StatusError when the status is neither 2xx nor expected; its body has been read for the excerpt.
   * @throws NetworkError or TimeoutError when there is no answer. What the body's source throws, and the reason of an
   * aborted signal, are thrown as they are.
   */
  async request(options: RequestOptions): Promise<HttpResponse> {
    options.signal.throwIfAborted()
    const { method, path } = options
    const secrets = [...this.#secrets, ...(options.secrets ?? [])]
    const url = redact(`${this.baseUrl}${path}`, secrets)
    const calls = tracingChannel(HTTP_CALLS)
    const headers: Record<string, string> = {}
    const call = { method, url, headers }
    // In the asynchronous context of the caller, which those of undici's own channels are not.
    return calls.start.hasSubscribers
      ? await calls.tracePromise(() => {
          return this.#request({ ...options, headers: { ...headers, ...options.headers } }, url, secrets)
        }, call)
      : await this.#request(options, url, secrets)
  }

  async #request(options: RequestOptions, url: string, secrets: readonly string[]): Promise<HttpResponse> {
    const { method, signal } = options
    let exchange: Exchange
    let data: Dispatcher.ResponseData | undefined
    do {
      exchange = new Exchange({ method, url, signal, secrets, onBegun: options.onBegun })
      data = await this.#send(options, exchange)
    } while (data === undefined)
    const response = new HttpResponse(data, exchange)
    const { status } = response
    if ((status >= 200 && status < 300) || options.expectStatus?.includes(status)) return response
    throw await statusError(response, exchange)
  }

  /** Ends open requests and closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#kept?.destroy()])
  }

  /** Undefined: the connection was a kept one, and ended without an answer. Each time there is one kept connection less. */
  async #send(options: RequestOptions, exchange: Exchange): Promise<Dispatcher.ResponseData | undefined> {
    const { method, isRepeatable = method === 'GET' } = options
    const kept = isRepeatable ? this.#kept : undefined
    let isUsed = false
    const onConnection = (wasThere: boolean) => {
      isUsed = wasThere
    }
    const request = { ...this.#dispatchOptions(options, exchange), reset: kept === undefined, onConnection }
    try {
      return await (kept ?? this.#pool).request(request)
    } catch (error: unknown) {
      const failure = exchange.toError(error)
      if (kept && isUsed && failure instanceof NetworkError) return undefined
      throw failure
    }
  }

  #dispatchOptions(options: RequestOptions, exchange: Exchange): Dispatcher.RequestOptions {
    const upload = toUpload(options.body)
    return {
      path: this.#prefix + options.path,
      query: options.query ?? {},
      method: options.method,
      headers: {
        ...(this.#authorization && { authorization: this.#authorization }),
        ...(upload && { 'content-type': upload.contentType, 'content-length': String(upload.contentLength) }),
        ...options.headers,
      },
      body: upload ? Readable.from(exchange.body(upload), { objectMode: false }) : null,
      signal: options.signal,
      headersTimeout: options.headersTimeoutMs ?? this.#headersTimeoutMs,
      bodyTimeout: options.bodyTimeoutMs ?? 60_000,
    }
  }
}

function toUpload(body: RequestOptions['body']): Upload | undefined {
  if (body === undefined) return undefined
  if (typeof body !== 'string' && !Buffer.isBuffer(body)) return body
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return {
    contentType: typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/octet-stream',
    contentLength: bytes.length,
    async *open() {
      yield bytes
    },
  }
}

async function statusError(response: HttpResponse, exchange: Exchange): Promise<unknown> {
  const location = response.headers.location
  let text = ''
  let cause: unknown
  const deadline = setTimeout(() => response.discard(), ERROR_BODY_DEADLINE_MS)
  try {
    for await (const chunk of response.stream(Number.POSITIVE_INFINITY)) {
      text += chunk.toString('utf8')
      if (text.length >= ERROR_BODY_LIMIT) break
    }
  } catch (error: unknown) {
    if (exchange.signal.aborted) return exchange.signal.reason
    // The status says more than the failure to read the text that explains it.
    cause = error
  } finally {
    clearTimeout(deadline)
  }
  return new StatusError(
    exchange,
    {
      status: response.status,
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
      location: typeof location === 'string' ? shownLocation(location, exchange) : undefined,
      excerpt: excerptOf(text, exchange.secrets),
    },
    cause,
  )
}

function shownLocation(location: string, exchange: Exchange): string {
  const shown = URL.canParse(location, exchange.url) ? displayUrl(new URL(location, exchange.url)) : 'an invalid URL'
  return redact(shown, exchange.secrets)
}

function retryAfterMs(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  if (/^\d+$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

/** User info may hold a `%` that begins no escape; it is then meant literally. */
function decode(userinfo: string): string {
  try {
    return decodeURIComponent(userinfo)
  } catch {
    return userinfo
  }
}
