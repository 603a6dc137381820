/** Log lines about what is tried again and again: one when it begins to fail, and one for each new cause. */
import { describeError, type Logger } from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import { DirectoryAwayError } from './files/shared-directory.js'
import { StoreLostError } from './store/errors.js'

export class TroubleLog {
  readonly #log: Logger
  #cause: string | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  /** Does the work; a failure is said and waited out. Rejects with the reason of the signal only. */
  async outlast(
    work: () => Promise<void>,
    failure: { readonly message: string; readonly pauseMs: number },
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await work()
      this.worked()
    } catch (error: unknown) {
      signal.throwIfAborted()
      this.failed(error, failure.message)
      await delay(failure.pauseMs, signal)
    }
  }

  /** Says that it failed. An outage of the database or of a directory says so itself. */
  failed(error: unknown, message: string): void {
    if (error instanceof StoreLostError || error instanceof DirectoryAwayError) return
    const cause = causeOf(error)
    if (cause !== this.#cause) this.#log.error({ err: error }, message)
    this.#cause = cause
  }

  /** Says that it went well. */
  worked(): void {
    this.#cause = undefined
  }
}

/** The same for errors that differ in numbers and names of files only. */
export function causeOf(error: unknown): string {
  return describeError(error).replace(/'[^']*'|"[^"]*"|[0-9a-f-]*\d[0-9a-f-]*/gi, '#')
}
