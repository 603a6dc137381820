// Bounds what was sent towards one queue and not answered yet: a broker that hangs holds all of it in its memory.
import { Semaphore } from '@cuckoo-distributed/wait'

interface Held {
  readonly bytes: Semaphore
  /** Those who wait for bytes or hold some. */
  users: number
}

export class Unanswered {
  readonly #maxBytes: number
  readonly #queues = new Map<string, Held>()

  /** `maxBytes`: at most as many for each queue; one message that is larger goes alone. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Waits until there is room for `bytes`; resolves with what is to be called once the message is answered or lost. */
  async take(queue: string, bytes: number, signal: AbortSignal): Promise<() => void> {
    const held = this.#queues.get(queue) ?? { bytes: new Semaphore(this.#maxBytes), users: 0 }
    this.#queues.set(queue, held)
    held.users += 1
    const leave = () => {
      held.users -= 1
      if (held.users === 0) this.#queues.delete(queue)
    }
    try {
      const release = await held.bytes.acquire(signal, bytes)
      return () => {
        release()
        leave()
      }
    } catch (reason: unknown) {
      leave()
      throw reason
    }
  }
}
