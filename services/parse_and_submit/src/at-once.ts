// Calls to CRITs that do not ask whether HoldLimit is over: what was begun is finished, so that every round gets further.
import type { LogLevel } from '@cuckoo-distributed/crits-client'
import { ServerAwayError } from '@cuckoo-distributed/http'
import type { Analysis } from './analysis.js'

/** Calls now; only a CRITs that is away is waited for, as long as the message may wait. */
export async function atOnce<T>({ crits, context }: Analysis, call: () => Promise<T>): Promise<T> {
  try {
    return await crits.attempt(context.working, call)
  } catch (error) {
    if (!(error instanceof ServerAwayError)) throw error
    return crits.patiently(context.waiting, call)
  }
}

/** Adds a line to the log of the analysis in CRITs. */
export function tell(analysis: Analysis, level: LogLevel, text: string): Promise<void> {
  return atOnce(analysis, () => analysis.crits.log(level, text, analysis.context.working))
}
