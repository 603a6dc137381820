/** Outcomes of Cuckoo calls that say more than the failures of HTTP. */
import { type Fault, faultOf, StatusError } from '@cuckoo-distributed/http'

/** Cuckoo surely made no task: it said so, or it refused the request. Sending the same again will hardly help. */
export class TaskRefusedError extends Error {
  readonly code = 'CUCKOO_TASK_REFUSED'
  override readonly name = 'TaskRefusedError'
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
    this.message = `${answer.message}; Cuckoo refuses the token: check "CuckooTokens", or user and password in its URL`
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
