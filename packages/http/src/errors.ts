/** What can go wrong with an HTTP request. No message holds credentials, a query, or bytes of a body but the excerpt. */

/** The request an error is about. */
export interface RequestLine {
  readonly method: string
  /** Scheme, host, port and path; never user info or a query. */
  readonly url: string
}

/** Any failure of a request or of reading its answer. An abort by the caller is not one: that rejects with its reason. */
export abstract class HttpError extends Error {
  abstract readonly code: string
  readonly method: string
  readonly url: string

  constructor(request: RequestLine, text: string, cause?: unknown) {
    super(`${request.method} ${request.url}: ${text}`, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.method = request.method
    this.url = request.url
  }
}

export interface StatusDetails {
  readonly status: number
  /** From `Retry-After`, seconds or date, in milliseconds from now. */
  readonly retryAfterMs: number | undefined
  /** Where a redirect points, without user info and query. Redirects are never followed. */
  readonly location: string | undefined
  /** At most 200 characters of the answer's text, without markup and control characters. */
  readonly excerpt: string
}

/** The server answered with a status that is neither 2xx nor one the caller expects. */
export class StatusError extends HttpError {
  readonly code: string = 'HTTP_STATUS'
  readonly status: number
  readonly retryAfterMs: number | undefined
  readonly location: string | undefined
  readonly excerpt: string

  constructor(request: RequestLine, details: StatusDetails, cause?: unknown) {
    const target = details.location === undefined ? '' : `, redirect to ${details.location} not followed`
    super(request, `status ${details.status}${target}${details.excerpt && `: ${details.excerpt}`}`, cause)
    this.status = details.status
    this.retryAfterMs = details.retryAfterMs
    this.location = details.location
    this.excerpt = details.excerpt
  }
}

/** The connection could not be made, was refused, or broke before the answer began. */
export class NetworkError extends HttpError {
  readonly code: string = 'HTTP_NETWORK'
  /** False: the server has surely received nothing of the body. True: it may have received and handled all of it. */
  readonly bodyBegun: boolean

  constructor(request: RequestLine, bodyBegun: boolean, cause: unknown) {
    super(request, describe(cause), cause)
    this.bodyBegun = bodyBegun
  }
}

/** The server's certificate is not trusted: nothing was sent, and no other request to it will fare better. */
export class CertificateError extends NetworkError {
  override readonly code = 'HTTP_CERTIFICATE'
  /** Not doubtful: the server is there. */
  readonly fault = 'own'
  readonly sharedCause = true

  constructor(request: RequestLine, cause: unknown) {
    super(request, false, cause)
    this.message += ' (its certificate is not trusted)'
  }
}

/** No connection, no answer, or no further bytes of it, in time. */
export class TimeoutError extends HttpError {
  readonly code = 'HTTP_TIMEOUT'
  /** As in `NetworkError`. */
  readonly bodyBegun: boolean

  constructor(request: RequestLine, bodyBegun: boolean, cause: unknown) {
    super(request, describe(cause), cause)
    this.bodyBegun = bodyBegun
  }
}

/** The answer's body is longer than the caller allows. */
export class BodyTooLargeError extends HttpError {
  readonly code = 'HTTP_BODY_TOO_LARGE'

  constructor(request: RequestLine, limit: number) {
    super(request, `the answer is longer than ${limit} bytes`)
  }
}

/** The connection was closed or broke before the end of the answer's body. */
export class TruncatedBodyError extends HttpError {
  readonly code = 'HTTP_BODY_TRUNCATED'

  constructor(request: RequestLine, received: number, announced: number | undefined, cause?: unknown) {
    super(request, `the answer ended after ${received} of ${announced ?? 'an unknown number of'} bytes`, cause)
  }
}

/** The body is not the JSON that was asked for; often an HTML page of the server or of a proxy. */
export class NotJsonError extends HttpError {
  readonly code = 'HTTP_NOT_JSON'
  readonly status: number
  /** As in `StatusError`. */
  readonly excerpt: string

  constructor(request: RequestLine, details: { readonly status: number; readonly excerpt: string }, cause?: unknown) {
    super(request, `status ${details.status} with a body that is not the expected JSON: ${details.excerpt}`, cause)
    this.status = details.status
    this.excerpt = details.excerpt
  }
}

/** An `AggregateError` of several connection attempts has an empty message; its code tells. */
function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return 'failed'
  return cause.message || ('code' in cause && String(cause.code)) || cause.name
}
