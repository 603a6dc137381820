/** What the failure of a call may mean: the one place that says it. `Availability` asks the server itself about the rest. */
import { NetworkError, NotJsonError, StatusError, TimeoutError, TruncatedBodyError } from './errors.js'

/**
 * - `back-pressure`: the server asks for patience; waited for, never counted.
 * - `doubtful`: the server is away, or fails at this one item; its control call tells which.
 * - `own`: the item's own failure.
 */
export type Fault = 'back-pressure' | 'doubtful' | 'own'

/** Errors of clients on top of this package say of themselves in `fault` what they may mean. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Error && 'fault' in error && isFault(error.fault)) return error.fault
  if (error instanceof StatusError) {
    if (error.status === 429) return 'back-pressure'
    return error.status >= 500 ? 'doubtful' : 'own'
  }
  const isDoubtful = [NetworkError, TimeoutError, TruncatedBodyError, NotJsonError].some(type => error instanceof type)
  return isDoubtful ? 'doubtful' : 'own'
}

function isFault(value: unknown): value is Fault {
  return value === 'back-pressure' || value === 'doubtful' || value === 'own'
}
