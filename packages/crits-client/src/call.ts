/** One HTTP request to CRITs with the user's credentials. */

import type { Availability, HttpClient, HttpResponse, RequestOptions } from '@cuckoo-distributed/http'
import { type Answer, EXPECTED_STATUSES, explain, isJson, readAnswer } from './answer.js'
import { CritsUrlError, SampleError } from './errors.js'
import type { Credentials } from './target.js'

/** What calls need of a CRITs server. */
export interface CritsGate {
  readonly http: HttpClient
  readonly availability: Availability
  /** Waits until no other call holds one of `keys` and there is room for a call; resolves with what ends the call. */
  acquire(keys: readonly string[], signal: AbortSignal): Promise<() => void>
}

export interface CallOptions extends RequestOptions {
  /** A few words for error messages. */
  readonly call: string
  /** What no other call to this CRITs may be working on, see `CritsGate.acquire`. */
  readonly keys: readonly string[]
  /** Of the answer to a GET. Default: JSON. */
  readonly contentType?: RegExp
}

/** CRITs redirects, or fails, without the trailing slash. */
export const SERVICES_PATH = '/api/v1/services/'
export const SAMPLES_PATH = '/api/v1/samples/'
export const PCAPS_PATH = '/api/v1/pcaps/'
export const SCREENSHOTS_PATH = '/api/v1/screenshots/'

const ANSWER_TIMEOUT_MS = 120_000

/** Sends a request when it is its turn, and reads the answer. Throws as the methods of `CritsClient` say. */
export async function callCrits(server: CritsGate, user: Credentials, options: CallOptions): Promise<Answer> {
  const release = await server.acquire(options.keys, options.signal)
  try {
    return await readAnswer(options.call, await send(server, user, options), user.apiKey)
  } finally {
    release()
  }
}

/** The body of the answer to a GET, as it arrives. `maxBytes` is its limit. Throws as `callCrits` does. */
export async function* streamFromCrits(
  server: CritsGate,
  user: Credentials,
  options: CallOptions,
  maxBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  const release = await server.acquire(options.keys, options.signal)
  try {
    const response = await send(server, user, options)
    const isWanted = options.contentType?.test(response.contentType) ?? isJson(response)
    if (response.status !== 200 || !isWanted) await readAnswer(options.call, response, user.apiKey)
    yield* response.stream(maxBytes)
  } finally {
    release()
  }
}

async function send(server: CritsGate, { username, apiKey }: Credentials, options: CallOptions): Promise<HttpResponse> {
  const { call, keys: _keys, contentType: _contentType, ...request } = options
  let response: HttpResponse
  try {
    response = await server.http.request({
      headersTimeoutMs: ANSWER_TIMEOUT_MS,
      ...request,
      // Only the header counts for every method; a key in the URL would end in the web server's log.
      // undici takes header values as latin1, CRITs reads them as UTF-8.
      headers: { ...request.headers, authorization: Buffer.from(`ApiKey ${username}:${apiKey}`).toString('latin1') },
      expectStatus: EXPECTED_STATUSES,
      secrets: [apiKey],
    })
  } catch (error: unknown) {
    throw explain(call, error)
  }
  if (response.status === 404) throw await notFound(call, request.path, response)
  return response
}

/** CRITs answers 404 without a body for a sample, but with a page for a path that it does not know. */
async function notFound(call: string, path: string, response: HttpResponse): Promise<Error> {
  const isSample = path.startsWith(SAMPLES_PATH) && path !== SAMPLES_PATH
  if (isSample && (await isEmpty(response))) {
    return new SampleError('SAMPLE_NOT_FOUND', `${call}: it does not exist, or the user may not see it`)
  }
  response.discard()
  return new CritsUrlError(call, 'status 404')
}

async function isEmpty(response: HttpResponse): Promise<boolean> {
  for await (const chunk of response.stream(Number.POSITIVE_INFINITY)) if (chunk.length > 0) return false
  return true
}
