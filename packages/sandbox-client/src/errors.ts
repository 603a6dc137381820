/** Outcomes of Cuckoo calls that are not failures of HTTP. */

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
}

/** The answer is JSON, but not what this API answers; often the base URL is not that of a Cuckoo API. */
export class UnexpectedAnswerError extends Error {
  readonly code = 'CUCKOO_UNEXPECTED_ANSWER'
  override readonly name = 'UnexpectedAnswerError'

  constructor(url: string, field: string, expected: string) {
    super(`${url}: "${field}" of the answer is not ${expected}; is this the base URL of a Cuckoo API?`)
  }
}
