/** What can go wrong between us and CRITs, beyond the errors of the `http` package. */

import type { Fault } from '@cuckoo-distributed/http'

/** CRITs understood the call and refused it: a `return_code` other than 0. Not worth repeating. */
export class CritsError extends Error {
  readonly code: string = 'CRITS_REFUSED'
  readonly returnCode: number
  /** CRITs' own words, at most 200 characters, without the API key. */
  readonly text: string

  constructor(call: string, returnCode: number, text: string) {
    super(`${call}: CRITs refused it with return code ${returnCode}: ${text}`)
    this.name = new.target.name
    this.returnCode = returnCode
    this.text = text
  }
}

/** The analysis is unknown. Only a log line tells: CRITs answers results and finish for it with success. */
export class AnalysisGoneError extends CritsError {
  override readonly code = 'CRITS_ANALYSIS_GONE'
  /** An analysis that was deleted does not come back. */
  readonly permanent = true
}

/** Status 401, whatever the cause. Not worth repeating before somebody changes something. */
export class CritsAuthError extends Error {
  readonly code = 'CRITS_AUTH'
  /** Nothing is wrong with the message: it waits until somebody has mended the key or the server. */
  readonly sharedCause = true
  override readonly name = 'CritsAuthError'

  constructor(call: string, cause: unknown) {
    super(
      `${call}: CRITs answered 401: wrong user name or API key, inactive user, no right to use the API, or a web server ` +
        'that drops the Authorization header (Apache with mod_wsgi needs "WSGIPassAuthorization On")',
      { cause },
    )
  }
}

/** The answer does not come from CRITs' API but is a redirect, a web page, an unknown path. Not worth repeating. */
export class CritsUrlError extends Error {
  readonly code = 'CRITS_URL'
  readonly sharedCause = true
  override readonly name = 'CritsUrlError'

  constructor(call: string, answer: string, cause?: unknown) {
    super(`${call}: got ${answer}; check CRITs' base URL, and that its API is switched on (enable_api)`, { cause })
  }
}

/** CRITs failed at the call: status 500, or 400 and 415 for a body it cannot read. */
export class CritsStatusError extends Error {
  readonly code = 'CRITS_STATUS'
  override readonly name = 'CritsStatusError'
  readonly status: number
  /** Whether CRITs' API itself wrote the answer. A results call answered so with 500 has stored nothing. */
  readonly isJson: boolean
  readonly fault: Fault

  constructor(call: string, status: number, isJson: boolean, text: string) {
    super(`${call}: CRITs answered ${status}${text && `: ${text}`}`)
    this.status = status
    this.isJson = isJson
    this.fault = status >= 500 ? 'doubtful' : 'own'
  }
}

/**
 * Rows are not in CRITs, or may be there without CRITs having said so: `CRITS_RESULTS_UNKNOWN`, where sending them again may double
 * them, and `CRITS_RESULTS_REFUSED`, where it is not the rows. `cause`: what came instead of an answer, or the last refusal.
 */
export class ResultsError extends Error {
  readonly code: 'CRITS_RESULTS_UNKNOWN' | 'CRITS_RESULTS_REFUSED'
  override readonly name = 'ResultsError'

  constructor(code: ResultsError['code'], message: string, cause: unknown) {
    super(message, { cause })
    this.code = code
  }
}

export type SampleErrorCode =
  | 'SAMPLE_NOT_FOUND'
  | 'SAMPLE_EMPTY'
  | 'SAMPLE_TOO_LARGE'
  | 'SAMPLE_UNREADABLE'
  | 'SAMPLE_ELSEWHERE'

/** A sample cannot be seen or read. `SAMPLE_UNREADABLE` may be a matter of the moment, the others are not. */
export class SampleError extends Error {
  readonly code: SampleErrorCode
  override readonly name = 'SampleError'

  constructor(code: SampleErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
