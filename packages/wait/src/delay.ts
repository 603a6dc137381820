/** The one timer that code waits on. */

/** Node fires a timer that is longer than this at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Resolves after `ms` milliseconds, or rejects with `signal.reason` when the signal is aborted before.
 * Neither a timer nor a listener is left behind.
 *
 * @throws RangeError when `ms` is negative, NaN or above 2^31 - 1 (24.8 days).
 */
export function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!(ms >= 0 && ms <= MAX_TIMER_MS)) {
      throw new RangeError(`a delay must be 0 to ${MAX_TIMER_MS} milliseconds, not ${ms}`)
    }
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
