/** Outcomes of Cuckoo calls that say more than the failures of HTTP. */
import { type Fault, faultOf, StatusError } from '@cuckoo-distributed/http'

/** Cuckoo surely made no task: it said so, or it refused the request. Sending the same again will hardly help. */
export class TaskRefusedError extends Error {
  readonly code = 'CUCKOO_TASK_REFUSED'
  override readonly name = 'TaskRefusedError'
  /** The sandbox has said why, and will say so again. */
  readonly permanent: boolean

  constructor(
    message: string,
    { permanent = false, ...options }: ErrorOptions & { readonly permanent?: boolean } = {},
  ) {
    super(message, options)
    this.permanent = permanent
  }
}

/**
 * Cuckoo may or may not have made a task, or makes it yet. Look for the task before uploading again. The cause is the
 * failure of the request.
 */
export class UnknownOutcomeError extends Error {
  readonly code = 'CUCKOO_UNKNOWN_OUTCOME'
  override readonly name = 'UnknownOutcomeError'
  readonly fault: Fault

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.fault = faultOf(options?.cause)
  }
}

/** The answer is JSON, but not what this API answers; often the base URL is not that of a Cuckoo API. */
export class UnexpectedAnswerError extends Error {
  readonly code = 'CUCKOO_UNEXPECTED_ANSWER'
  override readonly name = 'UnexpectedAnswerError'

  constructor(url: string, field: string, expected: string) {
    super(`${url}: "${field}" of the answer is not ${expected}; is this the base URL of a Cuckoo API?`)
  }
}

/** Status 401 or 403. Every other call would meet it as well, so it says nothing about a task. */
export class TokenRefusedError extends StatusError {
  override readonly code = 'CUCKOO_TOKEN_REFUSED'
  readonly sharedCause = true

  constructor(answer: StatusError) {
    super(answer, answer, answer)
    this.message = `${answer.message}; Cuckoo refuses the token; check "CuckooTokens" and what its user may do, or user and password in its URL`
  }
}

/** An endpoint that is needed is switched off in the sandbox: every other message meets that as well. */
export class EndpointOffError extends Error {
  readonly code = 'CUCKOO_ENDPOINT_OFF'
  override readonly name = 'EndpointOffError'
  readonly sharedCause = true
  /** Of CAPE's conf/api.conf. */
  readonly section: string

  constructor(url: string, said: string, section: string) {
    super(`${url}: CAPE says "${said}"; set "enabled = yes" under [${section}] in its conf/api.conf`)
    this.section = section
  }
}

/** CAPE has refused a call, with status 200 and its own words. */
export class CallRefusedError extends Error {
  readonly code = 'CUCKOO_CALL_REFUSED'
  override readonly name = 'CallRefusedError'

  constructor(url: string, said: string) {
    super(`${url}: CAPE refuses: ${said.slice(0, 300)}`)
  }
}

/** A web page came, with status 200, where a report or an archive should. */
export class WebPageError extends Error {
  readonly code = 'CUCKOO_WEB_PAGE'
  override readonly name = 'WebPageError'
  readonly sharedCause = true

  constructor(url: string) {
    super(
      `${url}: CAPE sent a web page in place of a file: the user of the token may not download reports ("reports" in the ` +
        'profile of the user, or reports_dl_allowed_to_all in conf/web.conf), or a proxy asks for a login',
    )
  }
}

/** It is not told what kind of sandbox a URL is, or it is not what was said: waited for, as somebody has to say it. */
export class UndecidedSandboxError extends Error {
  readonly code = 'CUCKOO_UNDECIDED'
  override readonly name = 'UndecidedSandboxError'
  readonly fault: Fault = 'doubtful'

  /** `said`: what somebody has said that it is. */
  constructor(url: string, cause: unknown, said?: 'cuckoo' | 'cape') {
    const answers =
      said === undefined
        ? 'answers neither as a Cuckoo nor as a CAPE'
        : `does not answer as a ${said}, which "Sandbox" says it is`
    const words = said === undefined ? '"cuckoo" or "cape"' : `"${said === 'cape' ? 'cuckoo' : 'cape'}" or "auto"`
    super(
      `${url} ${answers}: check "CuckooURL" (of a CAPE it ends in /apiv2), or set "Sandbox" of feed_cuckoo to ${words}`,
      { cause },
    )
  }
}

/** The status cannot be believed: all its counters are 0, as those of a failing database are. */
export class DoubtfulStatusError extends Error {
  readonly code = 'CUCKOO_STATUS_DOUBTFUL'
  override readonly name = 'DoubtfulStatusError'
  readonly fault: Fault = 'doubtful'

  constructor(url: string) {
    super(`${url}: the status counts neither tasks nor machines, as it does when the database of Cuckoo fails`)
  }
}

/** Lists and counters of Cuckoo contradict one another, as they do when its database fails. */
export class DoubtfulListsError extends Error {
  readonly code = 'CUCKOO_LISTS_DOUBTFUL'
  override readonly name = 'DoubtfulListsError'
  readonly fault: Fault = 'doubtful'

  constructor(phases: readonly string[]) {
    super(`the lists of Cuckoo do not agree with its counters (${phases.join(', ')})`)
  }
}

const ABOUT_ONE_CALL = [UnexpectedAnswerError, EndpointOffError, CallRefusedError, WebPageError]

/** The sandbox was heard, and has no answer to this one call: others may well succeed. Those of HTTP say it by themselves. */
export function isAboutOneCall(error: unknown): error is Error {
  return ABOUT_ONE_CALL.some(type => error instanceof type)
}
