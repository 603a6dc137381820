/** Uploading a sample, and what each answer to it says about the task. */
import { inspect } from 'node:util'
import {
  BodyTooLargeError,
  type HttpClient,
  multipartUpload,
  NetworkError,
  NotJsonError,
  type RequestOptions,
  StatusError,
  TimeoutError,
  TruncatedBodyError,
} from '@cuckoo-distributed/http'
import { isTaskId, record } from './answers.js'
import { TaskRefusedError, TokenRefusedError, UnknownOutcomeError } from './errors.js'

/** What every new task may have. */
interface Submission {
  /**
   * Options by Cuckoo's names: `package`, `timeout` (s), `priority`, `options`, `machine`, `platform`, `tags`, `custom`,
   * `owner`, `memory`, `enforce_timeout`, `clock`. Empty ones are not sent, nor are `memory` and `enforce_timeout` when
   * they are false. Keep `custom` and `options` ASCII: 1.2 makes no task otherwise.
   */
  readonly options: Readonly<Record<string, string>>
  /** Called when the first byte is asked for: from then on a task may exist. */
  readonly onBegun?: (() => void) | undefined
}

export interface NewUrlTask extends Submission {
  readonly url: string
}

export interface NewTask extends Submission {
  /** File name; Cuckoo keeps its last path component and may rewrite that, so no task can be found by it. */
  readonly name: string
  /** Number of bytes `open` yields. */
  readonly size: number
  /** Starts the sample from its first byte. */
  open(): AsyncIterable<Uint8Array>
}

/** What came of one upload. */
export interface CreatedTasks {
  readonly id: number
  /** Further tasks of the same upload, in the order of the answer. Only a CAPE makes them, of some containers. */
  readonly others: readonly number[]
  /** What the sandbox has to say about it, and what was done to make it take the sample: each a sentence. */
  readonly remarks: readonly string[]
}

const ANSWER_LIMIT = 2 ** 20
const SHOWN_LENGTH = 200
const SWITCHES = new Set(['memory', 'enforce_timeout'])
const FALSE_WORDS = new Set(['false', 'none', 'no', '0', 'off'])

export async function createTask(http: HttpClient, task: NewTask, signal: AbortSignal): Promise<CreatedTasks> {
  const { name, size, onBegun } = task
  const file = { field: 'file', filename: name, size, open: () => task.open() }
  const body = multipartUpload({ fields: sentOptions(task.options), file })
  return create(http, { path: '/tasks/create/file', body, onBegun, signal })
}

export async function createUrlTask(http: HttpClient, task: NewUrlTask, signal: AbortSignal): Promise<CreatedTasks> {
  const body = Buffer.from(new URLSearchParams({ ...sentOptions(task.options), url: task.url }).toString())
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return create(http, { path: '/tasks/create/url', headers, body, onBegun: task.onBegun, signal })
}

async function create(http: HttpClient, request: Omit<RequestOptions, 'method'>): Promise<CreatedTasks> {
  let answer: unknown
  try {
    const response = await http.request({ method: 'POST', ...request })
    answer = await response.json(ANSWER_LIMIT)
  } catch (error: unknown) {
    throw outcomeOf(error)
  }
  const { task_id: id, task_ids: ids } = record(answer)
  if (isTaskId(id)) return { id, others: [], remarks: [] }
  // With status 200: the insert into Cuckoo's database failed (cuckoosandbox/cuckoo:lib/cuckoo/core/database.py, add).
  if (id === null || (Array.isArray(ids) && ids.length === 0)) {
    throw new TaskRefusedError(`Cuckoo has made no task: it answered ${shown(answer)}`)
  }
  throw new UnknownOutcomeError(`no "task_id" in the answer to the upload is a positive integer: ${shown(answer)}`)
}

/** An answer may be nested so deeply that `JSON.stringify` fails. */
export function shown(answer: unknown): string {
  const text = inspect(answer, { depth: 2, compact: true, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 100 })
  return text.length <= SHOWN_LENGTH ? text : `${text.slice(0, SHOWN_LENGTH)}…`
}

/**
 * 1.x takes any non-empty text of a switch for true, "false" as well; 2.0 answers 500 to an empty one
 * (`cuckoosandbox/cuckoo:utils/api.py`, `cuckoosandbox/cuckoo:cuckoo/apps/api.py`). Absent is false for both.
 */
export function sentOptions(options: Readonly<Record<string, string>>): Record<string, string> {
  const isFalse = (name: string, value: string) => SWITCHES.has(name) && FALSE_WORDS.has(value.toLowerCase())
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => value !== '' && !isFalse(name, value)))
}

/** What the failure of an upload says about its task. */
export function outcomeOf(error: unknown): unknown {
  if (error instanceof TokenRefusedError) return error
  if (error instanceof StatusError) {
    if ([401, 403].includes(error.status)) return new TokenRefusedError(error)
    if (error.status === 429) return error
    return error.status >= 500 ? unknownOutcome(error) : new TaskRefusedError(error.message, { cause: error })
  }
  if (error instanceof NetworkError || error instanceof TimeoutError) {
    return error.bodyBegun ? unknownOutcome(error) : error
  }
  const unread = [NotJsonError, TruncatedBodyError, BodyTooLargeError].some(type => error instanceof type)
  return unread ? unknownOutcome(error) : error
}

function unknownOutcome(cause: unknown): UnknownOutcomeError {
  const reason = cause instanceof Error ? cause.message : ''
  return new UnknownOutcomeError(`it is not known whether Cuckoo has made a task: ${reason}`, { cause })
}
