// Names in the log what the broker does not answer: nothing else tells a broker that hangs from one with nothing to do.
import type { Logger } from '../logger.js'

const SILENT_MS = 10_000

export class Silence {
  /** Milliseconds without an answer after which a step is named. */
  readonly afterMs: number
  readonly #log: Logger
  readonly #named = new Set<string>()

  /** `afterMs`: default 10 s. */
  constructor(log: Logger, afterMs = SILENT_MS) {
    this.#log = log
    this.afterMs = afterMs
  }

  /** Settles as `answer` does; until then `step` is named when it takes too long. */
  async answered<T>(step: string, answer: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.begin(step), this.afterMs).unref()
    try {
      const value = await answer
      this.end(step)
      return value
    } finally {
      clearTimeout(timer)
    }
  }

  /** Names a step, once until it is answered: a new connection on which it is silent again is no news. */
  begin(step: string): void {
    if (this.#named.has(step)) return
    this.#named.add(step)
    this.#log.warn({ step, seconds: this.afterMs / 1000 }, 'the broker does not answer; waiting')
  }

  end(step: string): void {
    if (this.#named.delete(step)) this.#log.info({ step }, 'the broker answers again')
  }
}
