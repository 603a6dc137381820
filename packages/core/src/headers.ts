// The suite's own message headers: what each means, and which of them travel where. Foreign headers never travel.
import { errorCode, isPermanent, isSharedCause } from './errors.js'

/** One entry of a message's history. `at` is ISO 8601 UTC. */
export interface FailureEntry {
  readonly at: string
  readonly service: string
  readonly error: string
}

/** How far parse_and_submit got with a message; valid only for the same queue and the same plan. */
export interface Progress {
  readonly queue: string
  readonly digest: string
  readonly rows: number
  readonly files: number
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

/** The envelope of a failed message whose body could not be wrapped in JSON: the five fields of `FailedMsg` but `Msg`. */
export interface FailedFields {
  readonly service: string
  readonly queue: string
  readonly error: string
  readonly desc: string
  readonly failedAt: string
}

/** A message's own headers, decoded. A stage may change them; `settle` decides which travel on. */
export interface Trail {
  /** Failures so far in the present stage. */
  attempts: number
  failures: FailureEntry[]
  /** Consumer queues of the parse_and_submit instances that have handled the message. */
  visited: string[]
  progress?: Progress | undefined
  /** The message may have been worked on before; side effects must be looked for before they are repeated. */
  seen: boolean
  /** Named moments (milliseconds since the epoch) and counts that must survive `later`. */
  since: Record<string, number>
  /** Bytes of results that earlier instances of a chain stored in CRITs for this analysis. */
  storedBytes: number
  /** No retry can mend the failure. */
  permanent: boolean
  /** The last failure lay in the place and not in the message. */
  cause?: SharedCause | undefined
  /** When a retry is due, in milliseconds since the epoch. Set only while the message is in a delay queue. */
  due?: number | undefined
  traceparent?: string | undefined
  failed?: FailedFields | undefined
}

export type HeaderTable = Record<string, string | number>

const MAX_FAILURES = 8
const MAX_FAILURES_BYTES = 8 * 1024

/** Decodes a delivery's headers. What is missing or not of our making counts as absent. */
export function readTrail(headers: Readonly<Record<string, unknown>> | undefined): Trail {
  const raw = headers ?? {}
  return {
    attempts: count(raw['x-attempts']),
    failures: list(raw['x-failures']).filter(isFailureEntry).slice(-MAX_FAILURES),
    visited: list(raw['x-visited']).filter(entry => typeof entry === 'string'),
    progress: progress(raw['x-progress']),
    seen: count(raw['x-seen']) > 0,
    since: numbers(raw['x-since']),
    storedBytes: count(raw['x-stored-bytes']),
    permanent: count(raw['x-permanent']) > 0,
    cause: sharedCause(raw['x-cause']),
    due: count(raw['x-due']) || undefined,
    traceparent: text(raw.traceparent),
    failed: failedFields(raw),
  }
}

/** Encodes every header of a trail; empty ones are left out. Lists and objects travel as JSON text. */
export function writeTrail(trail: Trail): HeaderTable {
  const table: HeaderTable = { ...nextStageHeaders(trail) }
  if (trail.attempts > 0) table['x-attempts'] = trail.attempts
  if (trail.failures.length > 0) table['x-failures'] = boundedFailures(trail.failures)
  if (trail.progress) table['x-progress'] = JSON.stringify(trail.progress)
  if (trail.seen) Object.assign(table, SEEN)
  if (Object.keys(trail.since).length > 0) table['x-since'] = JSON.stringify(trail.since)
  if (trail.permanent) table['x-permanent'] = 1
  if (trail.cause) table['x-cause'] = JSON.stringify(trail.cause)
  if (trail.due !== undefined) table['x-due'] = trail.due
  if (trail.failed) Object.assign(table, writeFailedFields(trail.failed))
  return table
}

/** Says that the message may be there twice. */
export const SEEN: HeaderTable = { 'x-seen': 1 }

/** What goes on to the next stage: it starts with a fresh count of attempts. */
export function nextStageHeaders(trail: Trail): HeaderTable {
  const table: HeaderTable = {}
  if (trail.visited.length > 0) table['x-visited'] = JSON.stringify(trail.visited)
  if (trail.storedBytes > 0) table['x-stored-bytes'] = trail.storedBytes
  if (trail.traceparent !== undefined) table.traceparent = trail.traceparent
  return table
}

/** The trail of a message that has failed once more. A shared cause counts for itself and not as an attempt. */
export function withFailure(trail: Trail, entry: FailureEntry, error: Error): Trail {
  const failed = { ...trail, failures: [...trail.failures, entry].slice(-MAX_FAILURES), permanent: isPermanent(error) }
  if (!isSharedCause(error)) return { ...failed, attempts: trail.attempts + 1, cause: undefined }
  const { since = Date.now(), tries = 0 } = trail.cause ?? {}
  return { ...failed, cause: { code: errorCode(error), since, tries: tries + 1 } }
}

/** The trail of a message that goes back to the end of its queue. */
export function withSeen(trail: Trail, redelivered: boolean): Trail {
  return { ...trail, seen: trail.seen || redelivered }
}

function boundedFailures(failures: readonly FailureEntry[]): string {
  for (let from = Math.max(0, failures.length - MAX_FAILURES); ; from += 1) {
    const encoded = JSON.stringify(failures.slice(from))
    if (Buffer.byteLength(encoded) <= MAX_FAILURES_BYTES || from >= failures.length) return encoded
  }
}

function writeFailedFields(failed: FailedFields): HeaderTable {
  return {
    'x-failed-service': failed.service,
    'x-failed-queue': failed.queue,
    'x-failed-error': failed.error,
    'x-failed-desc': failed.desc,
    'x-failed-at': failed.failedAt,
  }
}

function failedFields(raw: Readonly<Record<string, unknown>>): FailedFields | undefined {
  const queue = text(raw['x-failed-queue'])
  if (queue === undefined) return undefined
  return {
    queue,
    service: text(raw['x-failed-service']) ?? '',
    error: text(raw['x-failed-error']) ?? '',
    desc: text(raw['x-failed-desc']) ?? '',
    failedAt: text(raw['x-failed-at']) ?? '',
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}

function json(value: unknown): unknown {
  if (typeof value !== 'string') return undefined
  try {
    return JSON.parse(value)
  } catch {
    return undefined // a header that is not ours: absent by definition
  }
}

function list(value: unknown): unknown[] {
  const parsed = json(value)
  return Array.isArray(parsed) ? parsed : []
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function numbers(value: unknown): Record<string, number> {
  const parsed = json(value)
  if (!isRecord(parsed)) return {}
  return Object.fromEntries(
    Object.entries(parsed).filter((entry): entry is [string, number] => Number.isFinite(entry[1])),
  )
}

function sharedCause(value: unknown): SharedCause | undefined {
  const parsed = json(value)
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

function progress(value: unknown): Progress | undefined {
  const parsed = json(value)
  if (!isRecord(parsed)) return undefined
  const { queue, digest, rows, files } = parsed
  if (typeof queue !== 'string' || typeof digest !== 'string') return undefined
  return { queue, digest, rows: count(rows), files: count(files) }
}
