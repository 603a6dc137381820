// Says once that messages fail for a cause which they share, and once that it is over: a backlog must not fill the log.
import { errorCode, isSharedCause } from '../errors.js'
import type { MessageHeaders } from '../headers.js'
import type { Logger } from '../logger.js'

/** A cause that was not met for so long is a new one: what waited for it was taken by other instances meanwhile. */
const FORGET_MS = 30 * 60_000

interface Subject {
  readonly headers: Pick<MessageHeaders, 'attempts' | 'cause'>
  readonly log: Logger
}

/** The shared causes that one process has met, for its log alone: what becomes of a message is written in the message. */
export class SharedCauses {
  readonly #metAt = new Map<string, number>()
  readonly #now: () => number

  /** `now` in milliseconds; default: a clock that nobody sets. */
  constructor(now = () => performance.now()) {
    this.#now = now
  }

  /** Notes that `cause` was met; true when that is news. */
  begins(cause: string): boolean {
    const now = this.#now()
    for (const [known, at] of this.#metAt) if (now - at > FORGET_MS) this.#metAt.delete(known)
    const isNews = !this.#metAt.has(cause)
    this.#metAt.set(cause, now)
    return isNews
  }

  /** Logs that a message has failed. */
  failed(delivery: Subject, error: Error): void {
    const { log, headers } = delivery
    const code = isSharedCause(error) ? errorCode(error) : undefined
    if (headers.cause?.code !== code) this.passed(delivery)
    if (code === undefined) {
      log.warn({ err: error, attempts: headers.attempts + 1 }, 'failed; the message goes to FailedQueue')
    } else if (this.begins(code)) {
      log.error({ err: error }, 'failed with a shared cause; its messages are retried until it is fixed')
    } else {
      log.info({ code, tries: (headers.cause?.tries ?? 0) + 1 }, 'failed with a shared cause')
    }
  }

  /** Logs that the cause for which a message had waited is over, if that is news. */
  passed({ headers, log }: Subject): void {
    if (headers.cause && this.#metAt.delete(headers.cause.code)) {
      log.info({ code: headers.cause.code }, 'a shared cause is fixed')
    }
  }
}
