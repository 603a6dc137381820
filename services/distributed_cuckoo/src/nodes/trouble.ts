/** What the failure of a request says about its node. */

import { errorCode } from '@cuckoo-distributed/core'
import {
  AddressRefusedError,
  BodyTooLargeError,
  type Fault,
  HttpError,
  NetworkError,
  NotJsonError,
  ServerAwayError,
  StatusError,
  TimeoutError,
  TruncatedBodyError,
} from '@cuckoo-distributed/http'
import {
  CallRefusedError,
  DoubtfulStatusError,
  EndpointOffError,
  TaskRefusedError,
  UndecidedSandboxError,
  UnexpectedAnswerError,
  UnknownOutcomeError,
  WebPageError,
} from '@cuckoo-distributed/sandbox-client'
import { SlowReportError } from '../files/report-file.js'

/** After a refusal for too many requests that does not say for how long, and at most. */
const REST_MS = 10_000
const MAX_REST_MS = 300_000

export interface Trouble {
  readonly state: 'unreachable' | 'unauthorized'
  /** Out of a fixed vocabulary, as clients of this API choose the URL: nothing of the answer is shown to them. */
  readonly reason: string
}

/** The node has stopped reading an upload. Whether it makes a task of it is not known. */
export class StalledUploadError extends Error {
  readonly code = 'STALLED_UPLOAD'
  override readonly name = 'StalledUploadError'
  readonly fault: Fault = 'doubtful'
}

/** What is at the URL cannot be a node. `message` is out of a fixed vocabulary, as clients choose the URL. */
export class UnfitNodeError extends Error {
  readonly code = 'UNFIT_NODE'
  override readonly name = 'UnfitNodeError'
}

/** Whether the node may have the task although the upload failed. */
export function isDoubtful(error: unknown): boolean {
  return error instanceof UnknownOutcomeError || error instanceof StalledUploadError
}

/** What is wrong with the node; undefined when the error is not one of the node. */
export function troubleOf(error: unknown): Trouble | undefined {
  if (error instanceof ServerAwayError || error instanceof UndecidedSandboxError) return troubleOf(error.cause)
  if (error instanceof UnknownOutcomeError || error instanceof TaskRefusedError) {
    return error.cause === undefined ? unreachable('not the answer of a Cuckoo') : troubleOf(error.cause)
  }
  if (error instanceof StatusError && [401, 403].includes(error.status)) {
    return { state: 'unauthorized', reason: `unauthorized (HTTP ${error.status})` }
  }
  if (error instanceof StatusError) return unreachable(`HTTP ${error.status}`)
  if (error instanceof TimeoutError || error instanceof StalledUploadError) return unreachable('timed out')
  if (error instanceof UnfitNodeError) return unreachable(error.message)
  if (error instanceof DoubtfulStatusError) return unreachable('its status cannot be believed')
  if (error instanceof EndpointOffError) return unreachable(`[${error.section}] is off in its conf/api.conf`)
  if (error instanceof CallRefusedError) return unreachable('it refuses the call')
  if (error instanceof WebPageError) return unreachable('a web page in place of a file')
  if (error instanceof SlowReportError) return unreachable('too slow')
  if (error instanceof NetworkError) return unreachable(networkReason(error.cause))
  if (error instanceof NotJsonError) return unreachable('not JSON')
  if (error instanceof UnexpectedAnswerError) return unreachable('not the answer of a Cuckoo')
  if (error instanceof TruncatedBodyError) return unreachable('answer cut short')
  if (error instanceof BodyTooLargeError) return unreachable('answer too large')
  return error instanceof HttpError ? unreachable('connection failed') : undefined
}

/** Milliseconds for which a node that has had enough requests wants to be left alone; that is no failure. */
export function restAskedBy(error: unknown): number | undefined {
  if (error instanceof ServerAwayError) return restAskedBy(error.cause)
  if (!(error instanceof StatusError) || error.status !== 429) return undefined
  return Math.min(error.retryAfterMs ?? REST_MS, MAX_REST_MS)
}

function unreachable(reason: string): Trouble {
  return { state: 'unreachable', reason }
}

function networkReason(cause: unknown): string {
  if (cause instanceof AddressRefusedError) return 'its address is not in NodeNetworks'
  const code = errorCode(cause)
  if (code === 'ECONNREFUSED') return 'connection refused'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'unknown host'
  return 'connection failed'
}
