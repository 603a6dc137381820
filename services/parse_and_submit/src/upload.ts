// One dropped file to CRITs, and whose fault it is when that fails.
import { CritsError, CritsStatusError, type SampleFile } from '@cuckoo-distributed/crits-client'
import { faultOf, HttpError } from '@cuckoo-distributed/http'
import type { Analysis } from './analysis.js'
import { atOnce } from './at-once.js'

/** With the analysed sample on the left, the true type for a file it dropped. */
const RELATIONSHIP = 'Dropped'

/**
 * Uploads a file and relates it to the sample, waiting while CRITs is away. Resolves with what CRITs finds wrong with
 * the file, undefined when all is well.
 */
export async function uploadFile(analysis: Analysis, file: SampleFile): Promise<string | undefined> {
  const { crits, context } = analysis
  try {
    const { id, complaint } = await atOnce(analysis, () => crits.addSample(file, context.working))
    if (id === undefined) return complaint ?? 'stored, but not as a sample'
    await atOnce(analysis, () => crits.forgeRelationship(id, RELATIONSHIP, context.working))
    return undefined
  } catch (error) {
    if (isRefusal(error)) return error.message
    throw error
  }
}

/** CRITs has answered, and what it says is about this call. */
function isRefusal(error: unknown): error is Error {
  if (error instanceof CritsError || error instanceof CritsStatusError) return true
  return error instanceof HttpError && faultOf(error) === 'own'
}
