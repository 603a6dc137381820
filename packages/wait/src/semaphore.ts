/** Bounds how many things happen at a time. */

/** A counter of free places. Places are given out in the order in which they were asked for. */
export class Semaphore {
  readonly #waiting: (() => void)[] = []
  #free: number

  /** @throws RangeError when `places` is not a positive integer. */
  constructor(places: number) {
    if (!Number.isSafeInteger(places) || places < 1) {
      throw new RangeError(`a semaphore needs a positive integer of places, not ${places}`)
    }
    this.#free = places
  }

  /**
   * Waits for a place and resolves with the function that gives it back; calling that again has no effect.
   * Rejects with `signal.reason` when the signal is aborted first; no place is lost then.
   */
  acquire(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason)
        return
      }
      if (this.#free > 0) {
        this.#free -= 1
        resolve(this.#releaseOnce())
        return
      }
      const onPlace = () => {
        signal.removeEventListener('abort', onAbort)
        resolve(this.#releaseOnce())
      }
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(onPlace), 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(onPlace)
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

  #releaseOnce(): () => void {
    let held = true
    return () => {
      if (!held) return
      held = false
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free += 1
    }
  }
}
