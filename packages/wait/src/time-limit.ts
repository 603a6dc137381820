/** Bounds how long something may take. */
import { linkedController } from './linked-controller.js'

export interface TimeLimit {
  readonly signal: AbortSignal
  /** Takes timer and listener away; to be called when the work is over. */
  dispose(): void
}

/**
 * A signal that is aborted with `signal`, or with `reason` after `ms` milliseconds, whichever comes first. `Infinity` sets
 * no limit.
 */
export function timeLimit(signal: AbortSignal, ms: number, reason: Error): TimeLimit {
  const { controller, dispose } = linkedController(signal)
  const timer = Number.isFinite(ms) ? setTimeout(() => controller.abort(reason), ms) : undefined
  return {
    signal: controller.signal,
    dispose() {
      clearTimeout(timer)
      dispose()
    },
  }
}
