// One dropped file to CRITs, and whose fault it is when that fails.
import {
  CritsError,
  CritsStatusError,
  isCritsOutage,
  isWell,
  type SampleFile,
  type UploadResult,
} from '@cuckoo-distributed/crits-client'
import { StatusError } from '@cuckoo-distributed/http'
import type { Analysis } from './analysis.js'
import { atOnce } from './at-once.js'

/** With the analysed sample on the left, the true type for a file it dropped. */
const RELATIONSHIP = 'Dropped'

/**
 * Uploads a file and relates it to the sample, waiting while CRITs is away. Resolves with what CRITs finds wrong with
 * the file, undefined when all is well. A refusal counts against the file only if CRITs takes a log line just then.
 */
export async function uploadFile(analysis: Analysis, file: SampleFile): Promise<string | undefined> {
  const result = await attempt(analysis, file)
  if (typeof result === 'string') return result
  if (result.id === undefined) return result.complaint ?? 'stored, but not as a sample'
  const related = await attempt(analysis, file, result.id)
  return typeof related === 'string' ? related : undefined
}

/** The upload, or the relationship when there is an id; resolves with text when the file is at fault. */
async function attempt(analysis: Analysis, file: SampleFile, id?: string): Promise<UploadResult | string> {
  const { crits, context } = analysis
  const signals = { stopSignal: context.waiting, forceSignal: context.working }
  const call = async (): Promise<UploadResult> => {
    if (id === undefined) return crits.addSample(file, context.working)
    await crits.forgeRelationship(id, RELATIONSHIP, context.working)
    return { stored: true, id }
  }
  for (;;) {
    try {
      return await atOnce(analysis, call)
    } catch (error) {
      if (!isRefusal(error)) throw error
      if (await isWell(crits, `dropped file ${file.md5}`, signals)) return error.message
    }
  }
}

function isRefusal(error: unknown): error is Error {
  return (
    error instanceof CritsError ||
    error instanceof CritsStatusError ||
    (error instanceof StatusError && !isCritsOutage(error))
  )
}
