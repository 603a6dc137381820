/** Bounds how long something may take. */
import { linkedController } from './linked-controller.js'

/** Disposing of it takes timer and listener away. */
export interface TimeLimit extends Disposable {
  readonly signal: AbortSignal
}

/**
 * A signal that is aborted with `signal`, or with `reason` after `ms` milliseconds, whichever comes first. `Infinity` sets
 * no limit. A function makes the reason when it is needed: where limits are many, an error costs more than all else of one.
 */
export function timeLimit(signal: AbortSignal, ms: number, reason: Error | (() => Error)): TimeLimit {
  const linked = linkedController(signal)
  const { controller } = linked
  const end = () => controller.abort(typeof reason === 'function' ? reason() : reason)
  const timer = Number.isFinite(ms) ? setTimeout(end, ms) : undefined
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer)
      linked[Symbol.dispose]()
    },
  }
}
