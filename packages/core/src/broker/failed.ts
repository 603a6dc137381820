// How a message that failed travels to FailedQueue: wrapped as the Go suite's FailedMsg, or raw with its fields in headers.
import { isUtf8 } from 'node:buffer'
import { describeError, errorCode } from '../errors.js'
import type { FailedFields } from '../failed-fields.js'
import { type HeaderTable, type MessageHeaders, withFailure, withSeen, writeHeaders } from '../headers.js'
import { encodeFailedMessage } from '../messages.js'
import type { Delivery } from '../stage.js'

export interface FailedPublish {
  readonly body: Buffer
  readonly headers: HeaderTable
}

/**
 * What to publish for a message that threw. A body that is not UTF-8, or whose wrapping would exceed `maxMessageSize`,
 * goes unchanged with the fields in `x-failed-*` headers, so it can be got back byte for byte.
 */
export function failedPublish(
  delivery: Delivery & { readonly headers: MessageHeaders },
  error: Error,
  options: { service: string; maxMessageSize: number },
): FailedPublish {
  const failed: FailedFields = {
    service: options.service,
    queue: delivery.queue,
    error: describeError(error),
    desc: errorCode(error),
    failedAt: new Date().toISOString(),
  }
  const entry = { at: failed.failedAt, service: options.service, error: describeError(error, 300) }
  const seen = withSeen(delivery.headers, delivery.redelivered)
  const headers = withFailure({ ...seen, failed: undefined }, entry, error)
  const body = wrapped(delivery.body, failed, options.maxMessageSize)
  if (body) return { body, headers: writeHeaders(headers) }
  return { body: delivery.body, headers: writeHeaders({ ...headers, failed }) }
}

function wrapped(body: Buffer, failed: FailedFields, maxMessageSize: number): Buffer | undefined {
  if (body.length > maxMessageSize || !isUtf8(body)) return undefined
  const message = encodeFailedMessage(failed, body.toString('utf8'))
  return message.length <= maxMessageSize ? message : undefined
}
