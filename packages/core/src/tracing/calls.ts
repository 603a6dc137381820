// Spans of HTTP requests, which the HTTP client tells of on a tracing channel of its own.
import { tracingChannel } from 'node:diagnostics_channel'
import { type Attributes, type Span, SpanStatusCode } from '@opentelemetry/api'
import { errorCode } from '../errors.js'

/** `@cuckoo-distributed/http` says so. */
const HTTP_CALLS = 'cuckoo_distributed:http'

export interface Call {
  readonly name: string
  readonly attributes: Attributes
  /** Goes with the request. */
  readonly headers: Record<string, unknown>
}

/** Has `begin` make a span of each request of this process, in the context of who makes it. Returns what ends that. */
export function onCalls(begin: (call: Call) => Span | undefined): () => void {
  const spans = new WeakMap<object, Span>()
  const end = (message: object) => {
    const span = spans.get(message)
    if (!span) return
    const error: unknown = 'error' in message ? message.error : undefined
    const status = statusOf(error) ?? statusOf('result' in message ? message.result : undefined)
    if (status !== undefined) span.setAttribute('http.response.status_code', status)
    if (error !== undefined) {
      span.setAttribute('error.type', status === undefined ? errorCode(error) : String(status))
      span.setStatus({ code: SpanStatusCode.ERROR })
    }
    span.end()
  }
  const subscribers = {
    start(message: object) {
      const { method, url, headers } = { method: '', url: '', headers: {}, ...message }
      const span = begin({ name: method, attributes: attributesOf(method, url), headers })
      if (span) spans.set(message, span)
    },
    end: () => {},
    asyncStart: () => {},
    asyncEnd: end,
    error: () => {},
  }
  const calls = tracingChannel<object, object>(HTTP_CALLS)
  calls.subscribe(subscribers)
  return () => calls.unsubscribe(subscribers)
}

/** Until the headers of the answer. */
function attributesOf(method: string, url: string): Attributes {
  const { hostname = '', port = '', protocol = '' } = URL.canParse(url) ? new URL(url) : {}
  return {
    'http.request.method': method,
    'url.full': url,
    'server.address': hostname,
    'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
  }
}

function statusOf(value: unknown): number | undefined {
  return typeof value === 'object' && value !== null && 'status' in value ? Number(value.status) : undefined
}
