/** Lets only one holder have each key at a time. */

import { Semaphore } from '@cuckoo-distributed/wait'

interface Lock {
  readonly semaphore: Semaphore
  users: number
}

export class KeyedLocks {
  readonly #locks = new Map<string, Lock>()

  /** Waits for the key, first come first served, and resolves with its release. Rejects with `signal.reason`. */
  async acquire(key: string, signal: AbortSignal): Promise<() => void> {
    const lock = this.#locks.get(key) ?? { semaphore: new Semaphore(1), users: 0 }
    this.#locks.set(key, lock)
    lock.users += 1
    try {
      const release = await lock.semaphore.acquire(signal)
      return () => {
        release()
        this.#leave(key, lock)
      }
    } catch (error: unknown) {
      this.#leave(key, lock)
      throw error
    }
  }

  #leave(key: string, lock: Lock): void {
    lock.users -= 1
    if (lock.users === 0) this.#locks.delete(key)
  }
}
