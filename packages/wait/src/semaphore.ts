/** Bounds how many things happen at a time, or how much of something is in hand. */

interface Waiter {
  readonly places: number
  readonly grant: () => void
}

/** A counter of free places. Places are given out in the order in which they were asked for. */
export class Semaphore {
  readonly #waiting: Waiter[] = []
  readonly #places: number
  #free: number

  /** @throws RangeError when `places` is not a positive integer. */
  constructor(places: number) {
    if (!Number.isSafeInteger(places) || places < 1) {
      throw new RangeError(`a semaphore needs a positive integer of places, not ${places}`)
    }
    this.#places = places
    this.#free = places
  }

  /**
   * Waits for a place, or for `places` of them at once, and resolves with the function that gives them back; calling that
   * again has no effect. Who asks for more than there are gets all of them, alone.
   * Rejects with `signal.reason` when the signal is aborted first; no place is lost then.
   */
  acquire(signal: AbortSignal, places = 1): Promise<() => void> {
    const wanted = Math.min(places, this.#places)
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason)
        return
      }
      if (this.#waiting.length === 0 && wanted <= this.#free) {
        this.#free -= wanted
        resolve(this.#releaseOnce(wanted))
        return
      }
      const waiter: Waiter = {
        places: wanted,
        grant: () => {
          signal.removeEventListener('abort', onAbort)
          resolve(this.#releaseOnce(wanted))
        },
      }
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(signal.reason)
        this.#giveOut() // those behind it may want fewer
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(waiter)
    })
  }

  /** Runs `fn` in a place of its own and gives the place back however `fn` ends. Rejects as `acquire` and `fn` do. */
  async run<T>(signal: AbortSignal, fn: () => Promise<T>): Promise<T> {
    const release = await this.acquire(signal)
    try {
      return await fn()
    } finally {
      release()
    }
  }

  #giveOut(): void {
    for (;;) {
      const [next] = this.#waiting
      if (!next || next.places > this.#free) return
      this.#waiting.shift()
      this.#free -= next.places
      next.grant()
    }
  }

  #releaseOnce(places: number): () => void {
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#free += places
      this.#giveOut()
    }
  }
}
