/** Waits that grow while something keeps failing. */

export interface BackOffOptions {
  /** First wait, in milliseconds. */
  readonly initialMs: number
  /** No wait is longer than this, in milliseconds. */
  readonly maxMs: number
  /** Each wait is this many times the one before. Default 2. */
  readonly factor?: number
  /** Share of each wait, 0 to 1, that is random, so that many clients do not come back at once. Default 0.2. */
  readonly jitter?: number
}

export interface BackOff {
  /** The next wait in milliseconds: between `(1 - jitter)` times its full length and its full length. */
  next(): number
  /** Starts again at `initialMs`; to be called after a success. */
  reset(): void
}

/** Makes a sequence of growing waits. It keeps no clock: pass what `next` returns to `delay`. */
export function backOff({ initialMs, maxMs, factor = 2, jitter = 0.2 }: BackOffOptions): BackOff {
  let full = Math.min(initialMs, maxMs)
  return {
    next() {
      const wait = full * (1 - jitter * Math.random())
      full = Math.min(full * factor, maxMs)
      return wait
    },
    reset() {
      full = Math.min(initialMs, maxMs)
    },
  }
}
