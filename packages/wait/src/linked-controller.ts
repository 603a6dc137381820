/** A controller that follows other signals. */

/** Disposing of it stops following; without that the sources keep the controller alive. */
export interface LinkedController extends Disposable {
  readonly controller: AbortController
}

/**
 * Makes a controller that is aborted, with the same reason, as soon as one of `signals` is; it can also be aborted
 * by itself. Used in place of `AbortSignal.any`, whose result stays referenced by long-lived sources on Node 20.
 */
export function linkedController(...signals: readonly AbortSignal[]): LinkedController {
  const controller = new AbortController()
  const listeners = signals.map(signal => {
    const onAbort = () => controller.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    return () => signal.removeEventListener('abort', onAbort)
  })
  return {
    controller,
    [Symbol.dispose]() {
      for (const remove of listeners) remove()
    },
  }
}
