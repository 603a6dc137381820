/** Lets a loop sleep until there is something to do. */
import { delay, linkedController } from '@cuckoo-distributed/wait'

const RUNG = new Error('the bell rang')

export class Bell {
  #rung = false
  #sleeper: AbortController | undefined

  /** Ends the current sleep, or the next one before it begins. */
  ring(): void {
    this.#rung = true
    // Without a reason it would make an exception with a stack each time.
    this.#sleeper?.abort(RUNG)
  }

  /** Resolves when the bell rings, or after `ms`. Rejects with `signal.reason`. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { controller, dispose } = linkedController(signal)
    this.#sleeper = controller
    try {
      if (!this.#rung) await delay(ms, controller.signal)
    } catch (error: unknown) {
      signal.throwIfAborted()
      if (!this.#rung) throw error
    } finally {
      this.#rung = false
      this.#sleeper = undefined
      dispose()
    }
  }
}
