// The suite's own message headers: what each means, and which of them travel where. Foreign headers never travel.
import { errorCode, isPermanent, isSharedCause } from './errors.js'
import { type FailedFields, failedFromHeaders, failedToHeaders } from './failed-fields.js'
import { Notes, parseHeader } from './notes.js'

/** One entry of a message's history. `at` is ISO 8601 UTC. */
export interface FailureEntry {
  readonly at: string
  readonly service: string
  readonly error: string
}

/**
 * Why a message waits although nothing is wrong with it. It counts as no attempt; the overseer bounds it in time
 * (`SharedCauseLimit`). Gone once the message fails in another way, or is passed on.
 */
export interface SharedCause {
  /** The code of its last failure. */
  readonly code: string
  /** When the first such failure was, in milliseconds since the epoch. */
  readonly since: number
  /** Such failures so far. */
  readonly tries: number
}

/** A message's own headers, decoded. A stage may change them; `settle` decides which travel on. */
export interface MessageHeaders {
  /** Failures so far in the present stage. */
  attempts: number
  failures: FailureEntry[]
  /** The message may have been worked on before; side effects must be looked for before they are repeated. */
  seen: boolean
  /** No retry can mend the failure. */
  permanent: boolean
  /** The last failure lay in the place and not in the message. */
  cause?: SharedCause | undefined
  /** Of a failed message whose body could not be wrapped in JSON. */
  failed?: FailedFields | undefined
  /** What stages know of the message. */
  readonly notes: Notes
}

export type HeaderTable = Record<string, string | number>

const MAX_FAILURES = 8
const MAX_FAILURES_BYTES = 8 * 1024

/** Decodes a delivery's headers. What is missing or not of our making counts as absent. */
export function readHeaders(raw: Readonly<Record<string, unknown>> = {}): MessageHeaders {
  return {
    attempts: count(raw['x-attempts']),
    failures: list(raw['x-failures']).filter(isFailureEntry).slice(-MAX_FAILURES),
    seen: count(raw['x-seen']) > 0,
    permanent: count(raw['x-permanent']) > 0,
    cause: sharedCause(raw['x-cause']),
    failed: failedFromHeaders(raw),
    notes: new Notes(raw),
  }
}

/** Encodes all of a message's headers; empty ones are left out. Lists and objects travel as JSON text. */
export function writeHeaders(headers: MessageHeaders): HeaderTable {
  const table: HeaderTable = headers.notes.toHeaders('message')
  if (headers.attempts > 0) table['x-attempts'] = headers.attempts
  if (headers.failures.length > 0) table['x-failures'] = boundedFailures(headers.failures)
  if (headers.seen) Object.assign(table, SEEN)
  if (headers.permanent) table['x-permanent'] = 1
  if (headers.cause) table['x-cause'] = JSON.stringify(headers.cause)
  if (headers.failed) Object.assign(table, failedToHeaders(headers.failed))
  return table
}

/** Says that the message may be there twice. */
export const SEEN: HeaderTable = { 'x-seen': 1 }

/** The headers of a message that has failed once more. A shared cause counts for itself and not as an attempt. */
export function withFailure(headers: MessageHeaders, entry: FailureEntry, error: Error): MessageHeaders {
  const failures = [...headers.failures, entry].slice(-MAX_FAILURES)
  const failed = { ...headers, failures, permanent: isPermanent(error) }
  if (!isSharedCause(error)) return { ...failed, attempts: headers.attempts + 1, cause: undefined }
  const { since = Date.now(), tries = 0 } = headers.cause ?? {}
  return { ...failed, cause: { code: errorCode(error), since, tries: tries + 1 } }
}

/** The headers of a message that goes back to the end of its queue. */
export function withSeen(headers: MessageHeaders, redelivered: boolean): MessageHeaders {
  return { ...headers, seen: headers.seen || redelivered }
}

function boundedFailures(failures: readonly FailureEntry[]): string {
  for (let from = Math.max(0, failures.length - MAX_FAILURES); ; from += 1) {
    const encoded = JSON.stringify(failures.slice(from))
    if (Buffer.byteLength(encoded) <= MAX_FAILURES_BYTES || from >= failures.length) return encoded
  }
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}

function list(value: unknown): unknown[] {
  const parsed = typeof value === 'string' ? parseHeader(value) : undefined
  return Array.isArray(parsed) ? parsed : []
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sharedCause(value: unknown): SharedCause | undefined {
  const parsed = typeof value === 'string' ? parseHeader(value) : undefined
  if (!isRecord(parsed) || typeof parsed.code !== 'string') return undefined
  const [since, tries] = [count(parsed.since), count(parsed.tries)]
  return since > 0 && tries > 0 ? { code: parsed.code, since, tries } : undefined
}

function isFailureEntry(value: unknown): value is FailureEntry {
  return (
    isRecord(value) &&
    typeof value.at === 'string' &&
    typeof value.service === 'string' &&
    typeof value.error === 'string'
  )
}
