/** Reads CRITs' answers: status 200 alone proves nothing. */

import { HttpError, type HttpResponse, StatusError } from '@cuckoo-distributed/http'
import { CritsAuthError, CritsStatusError, CritsUrlError } from './errors.js'

/** What CRITs' API says about a call that it understood. */
export interface Answer {
  /** 0 for success. */
  readonly returnCode: number
  /** At most 200 characters on one line. */
  readonly message: string
  /** The object the call was about, where CRITs names one. */
  readonly id?: string
}

const ANSWER_BYTES_MAX = 1024 * 1024
const EXCERPT_CHARS = 200

/** Statuses whose answer `readAnswer` looks into; any other than 2xx reaches the caller as StatusError. */
export const EXPECTED_STATUSES: readonly number[] = [400, 404, 415, 500]

/**
 * The answer to `call`, a few words for error messages. `secret` is blanked out wherever CRITs repeats it: in its debug
 * mode, which is on by default, CRITs answers with tracebacks and request bodies.
 *
 * @throws CritsUrlError, CritsStatusError, and what reading the body throws
 */
export async function readAnswer(call: string, response: HttpResponse, secret: string): Promise<Answer> {
  const { status, contentType } = response
  if (!isJson(response)) {
    response.discard()
    if (status >= 400) throw new CritsStatusError(call, status, false, '')
    throw new CritsUrlError(call, `status ${status} and ${contentType || 'no content type'} instead of JSON`)
  }
  if (status >= 400) {
    // CRITs may close before it has written all of it; the status alone says what happened.
    const body = await response.json(ANSWER_BYTES_MAX).catch(unlessHttpError)
    const text = textOf(body, 'error_message') || textOf(body, 'error')
    throw new CritsStatusError(call, status, true, excerpt(text, secret))
  }
  const body = await response.json(ANSWER_BYTES_MAX)
  const returnCode = field(body, 'return_code')
  if (typeof returnCode !== 'number') throw new CritsUrlError(call, 'JSON without a return_code')
  const id = textOf(body, 'id')
  return { returnCode, message: excerpt(textOf(body, 'message'), secret), ...(id && { id }) }
}

function unlessHttpError(error: unknown): undefined {
  if (!(error instanceof HttpError)) throw error
}

export function isJson(response: HttpResponse): boolean {
  return /^application\/json\b/i.test(response.contentType)
}

/** The meaning of an error that came instead of an answer. */
export function explain(call: string, error: unknown): unknown {
  if (!(error instanceof StatusError)) return error
  const { status, location } = error
  if (status === 401) return new CritsAuthError(call, error)
  if (location !== undefined) return new CritsUrlError(call, `a redirect to ${location}`, error)
  if (status === 403 || status === 405) return new CritsUrlError(call, `status ${status}`, error)
  return error
}

function excerpt(text: string, secret: string): string {
  const safe = secret === '' ? text : text.replaceAll(secret, '***')
  return safe
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .replace(/^[, ]+/, '')
    .slice(0, EXCERPT_CHARS)
    .toWellFormed()
}

function textOf(body: unknown, name: string): string {
  const value = field(body, name)
  return typeof value === 'string' ? value : ''
}

function field(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? Object.entries(body).find(([key]) => key === name)?.[1] : undefined
}
