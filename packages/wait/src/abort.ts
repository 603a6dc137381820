/** Stops waiting for a promise that cannot itself be cancelled. */

/**
 * Settles as `promise` does, or rejects with `signal.reason` as soon as the signal is aborted, whichever comes first.
 * What `promise` stands for goes on; its later rejection is not reported as unhandled.
 */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    const settled = (settle: () => void) => {
      signal.removeEventListener('abort', onAbort)
      settle()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(
      value => settled(() => resolve(value)),
      (error: unknown) => settled(() => reject(error)),
    )
    if (signal.aborted) onAbort()
  })
}
