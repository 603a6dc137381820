// Downloads from Cuckoo: an outage is waited for, a download that breaks off each time is a failure in the end.
import { ServiceError, toError } from '@cuckoo-distributed/core'
import { isOutage, TruncatedBodyError } from '@cuckoo-distributed/http'
import { ReportError } from '@cuckoo-distributed/report-scanner'
import type { Analysis } from './analysis.js'

/** Downloads of one message that may break off, in all its rounds together: with the waits between them some 4 minutes. */
const BREAKS_MAX = 10

/**
 * Downloads when Cuckoo is up, and again after each outage, as long as the message may wait. Cuckoo is asked for its status
 * between two tries, so an outage counts as one break however long it lasts. Adds to the analysis' reading time.
 * Rejects with ServiceError (DOWNLOAD_BREAKS_OFF), or with what `call` throws if that is no outage.
 */
export function download<T>(analysis: Analysis, call: () => Promise<T>): Promise<T> {
  const { context, cuckoo, reading } = analysis
  return cuckoo.availability.patiently(context.waiting, async () => {
    const begun = performance.now()
    try {
      return await call()
    } catch (error) {
      if (isOutage(error) || isIncomplete(error)) countBreak(analysis, toError(error))
      throw error
    } finally {
      reading.ms += performance.now() - begun
    }
  })
}

/** The end is missing; another download may have it. */
export function isIncomplete(error: unknown): boolean {
  return error instanceof TruncatedBodyError || (error instanceof ReportError && error.code === 'truncated')
}

function countBreak({ context: { trail } }: Analysis, cause: Error): void {
  const breaks = (trail.since.breaks ?? 0) + 1
  trail.since.breaks = breaks
  if (breaks < BREAKS_MAX) return
  delete trail.since.breaks // the next try counts from the beginning
  const problem = `Cuckoo answers, but ${breaks} downloads for this task have failed; the last one: ${cause.message}`
  throw new ServiceError('DOWNLOAD_BREAKS_OFF', problem, { cause })
}
