// Calls to CRITs that do not ask whether HoldLimit is over: what was begun is finished, so that every round gets further.
import { isCritsOutage, type LogLevel, logPatiently } from '@cuckoo-distributed/crits-client'
import { isOutage } from '@cuckoo-distributed/http'
import type { Analysis } from './analysis.js'

/** Calls now; only an outage is waited for, as long as the message may wait. */
export async function atOnce<T>({ crits: { availability }, context }: Analysis, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!isOutage(error)) throw error
    availability.reportDown(error)
    return availability.patiently(context.waiting, call)
  }
}

/** Adds a line to the log of the analysis in CRITs. */
export async function tell({ crits, context }: Analysis, level: LogLevel, text: string): Promise<void> {
  try {
    await crits.log(level, text, context.working)
  } catch (error) {
    if (!isCritsOutage(error)) throw error
    await logPatiently(crits, level, text, { stopSignal: context.waiting, forceSignal: context.working })
  }
}
