// Time in which the broker reads what is sent to it. Under a memory or disk alarm it does not, so its silence says nothing.

export class ReadingTime {
  #blocked = false
  #unblockedAt = Number.NEGATIVE_INFINITY

  get isBlocked(): boolean {
    return this.#blocked
  }

  /** The broker says that it reads nothing more. */
  block(): void {
    this.#blocked = true
  }

  /** The broker reads again, or another connection has begun. */
  unblock(): void {
    this.#blocked = false
    this.#unblockedAt = performance.now()
  }

  /** Calls `then` after `ms` milliseconds of reading in a row; keeps no process alive. Returns what calls it off. */
  after(ms: number, then: () => void): () => void {
    const from = performance.now()
    const check = () => {
      const left = this.#blocked ? ms : Math.max(from, this.#unblockedAt) + ms - performance.now()
      if (left <= 0) then()
      else timer = setTimeout(check, left).unref()
    }
    let timer = setTimeout(check, ms).unref()
    return () => clearTimeout(timer)
  }
}
