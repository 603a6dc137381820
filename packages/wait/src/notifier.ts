/** Lets a loop sleep until there is something to do. */
import { delay } from './delay.js'
import { linkedController } from './linked-controller.js'

const NOTIFIED = new Error('the sleeper was notified')

/** For one sleeper at a time; a notification that comes while nobody sleeps is kept. */
export class Notifier {
  #notified = false
  #sleeper: AbortController | undefined

  /** Ends the current sleep, or the next one before it begins. */
  notify(): void {
    this.#notified = true
    // Without a reason it would make an exception with a stack each time.
    this.#sleeper?.abort(NOTIFIED)
  }

  /** Resolves when somebody notifies, or after `ms`. Rejects with `signal.reason`. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    using linked = linkedController(signal)
    const { controller } = linked
    this.#sleeper = controller
    try {
      if (!this.#notified) await delay(ms, controller.signal)
    } catch (error: unknown) {
      signal.throwIfAborted()
      if (!this.#notified) throw error
    } finally {
      this.#notified = false
    }
  }
}
