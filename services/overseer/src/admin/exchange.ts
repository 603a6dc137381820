// JSON in and out of a request.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConfigError, parseJson, ServiceError } from '@cuckoo-distributed/core'

/** Of a message without its sample, with room to spare. */
const LARGEST_BODY = 4 * 1024 * 1024

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value))
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
}

/** Throws ServiceError (NO_JSON, BODY_TOO_LARGE), and ConfigError for JSON that is something else. */
export async function readJson<T>(request: IncomingMessage, isValid: (value: unknown) => value is T): Promise<T> {
  // Forms of other pages, which browsers send without asking, cannot be of this type.
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
    throw new ServiceError('NO_JSON', 'the body must be application/json')
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > LARGEST_BODY) throw new ServiceError('BODY_TOO_LARGE', `the body is above ${LARGEST_BODY} bytes`)
    chunks.push(bytes)
  }
  const value = parseJson(Buffer.concat(chunks))
  if (!isValid(value)) throw new ConfigError('body', ['the body is not what this resource expects'])
  return value
}
