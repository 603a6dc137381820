// One dropped file to CRITs, and whose fault it is when that fails.
import { CritsError, CritsStatusError, type KnownSample, type SampleFile } from '@cuckoo-distributed/crits-client'
import { faultOf, HttpError } from '@cuckoo-distributed/http'
import type { Analysis } from './analysis.js'

/** With the analysed sample on the left, the true type for a file it dropped. */
const RELATIONSHIP = 'Dropped'

export interface Uploaded {
  /** CRITs has the file. */
  readonly stored: boolean
  /** It was sent. */
  readonly sent: boolean
  /** What CRITs finds wrong with the file. */
  readonly complaint?: string | undefined
}

/**
 * Sees to it that CRITs has a file, files it under the message's source, and relates it to the sample. A file that is
 * filed there already is not sent again. What it throws of a call's own errors is doubtful: CRITs fails at this file,
 * and says nothing about it. Throws ServerAwayError as well.
 */
export async function uploadFile(analysis: Analysis, file: SampleFile): Promise<Uploaded> {
  const { crits, context, task } = analysis
  const known = await findSample(analysis, file.md5)
  if (known && task.crits.source && known.sources.includes(task.crits.source)) {
    return { stored: true, sent: false, complaint: await relate(analysis, known.id) }
  }
  try {
    const upload = (signal: AbortSignal) => crits.addSample(file, signal, known?.description)
    const { stored, id, complaint } = await crits.attempt(context.working, upload)
    if (id === undefined) return { stored, sent: stored, complaint: complaint ?? 'stored, but not as a sample' }
    return { stored, sent: true, complaint: await relate(analysis, id) }
  } catch (error: unknown) {
    if (isRefusal(error)) return { stored: false, sent: false, complaint: error.message }
    throw error
  }
}

/** A CRITs that cannot say whether it has a file is given it; it knows files by their MD5. */
async function findSample({ crits, context }: Analysis, md5: string): Promise<KnownSample | undefined> {
  try {
    return await crits.attempt(context.working, signal => crits.findSample(md5, signal))
  } catch (error: unknown) {
    if (!(error instanceof HttpError || error instanceof CritsStatusError)) throw error
    context.log.debug({ err: error, md5 }, 'CRITs does not say whether it has the file')
    return undefined
  }
}

/** Resolves with what CRITs finds wrong. */
async function relate({ crits, context }: Analysis, id: string): Promise<string | undefined> {
  try {
    await crits.attempt(context.working, signal => crits.forgeRelationship(id, RELATIONSHIP, signal))
    return undefined
  } catch (error: unknown) {
    if (isRefusal(error)) return error.message
    throw error
  }
}

/** CRITs, or what is before it, has answered, and what it says is about this call. */
function isRefusal(error: unknown): error is Error {
  const isAnswer = error instanceof CritsError || error instanceof CritsStatusError || error instanceof HttpError
  return isAnswer && faultOf(error) === 'own' && !('sharedCause' in error)
}
