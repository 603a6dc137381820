// Calls to Cuckoo and CRITs out of a place, which never wait for a server that is away: ServerAwayError gives the place up.
// They do not ask whether HoldLimit is over either: what was begun is finished, so that every round gets further.
import type { LogLevel } from '@cuckoo-distributed/crits-client'
import { faultOf, TruncatedBodyError } from '@cuckoo-distributed/http'
import { JsonError } from '@cuckoo-distributed/report-scanner'
import type { Analysis } from './analysis.js'

/** Adds a line to the log of the analysis in CRITs. */
export function tell({ crits, context }: Analysis, level: LogLevel, text: string): Promise<void> {
  return crits.attempt(context.working, signal => crits.log(level, text, signal))
}

/** Downloads from Cuckoo. Adds to the reading time. */
export function download<T>({ context, cuckoo, reading }: Analysis, call: () => Promise<T>): Promise<T> {
  return cuckoo.availability.attempt(context.working, async () => {
    const begun = performance.now()
    try {
      return await call()
    } finally {
      reading.ms += performance.now() - begun
    }
  })
}

/** The end is missing; another download may have it. */
export function isIncomplete(error: unknown): boolean {
  return error instanceof TruncatedBodyError || (error instanceof JsonError && error.code === 'truncated')
}

/** The server failed at one call while it was well, and did not say what is wrong. */
export function isDoubtful(error: unknown): error is Error {
  return error instanceof Error && faultOf(error) === 'doubtful'
}
