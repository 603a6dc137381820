// Downloads from Cuckoo. An outage is waited for; what fails while Cuckoo gives its status is the task's own failure.
import { TruncatedBodyError } from '@cuckoo-distributed/http'
import { JsonError } from '@cuckoo-distributed/report-scanner'
import type { Analysis } from './analysis.js'

/** Downloads when Cuckoo is up, and again after each outage, as long as the message may wait. Adds to the reading time. */
export function download<T>({ context, cuckoo, reading }: Analysis, call: () => Promise<T>): Promise<T> {
  return cuckoo.availability.patiently(context.waiting, async () => {
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
