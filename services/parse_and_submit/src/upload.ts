// One file to CRITs, and whose fault it is when that fails.
import {
  CritsError,
  CritsStatusError,
  type KnownSample,
  type SampleFile,
  type UploadResult,
} from '@cuckoo-distributed/crits-client'
import { faultOf, HttpError, ServerAwayError } from '@cuckoo-distributed/http'
import type { Analysis } from './analysis.js'
import { isDoubtful } from './calls.js'

/** With the analysed sample on the left, the true type for a file it dropped. */
const DROPPED = 'Dropped'
const RELATED = 'Related To'

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
export async function uploadSample(analysis: Analysis, file: SampleFile): Promise<Uploaded> {
  const { crits, task } = analysis
  const known = await findSample(analysis, file.md5)
  if (known && task.crits.source && known.sources.includes(task.crits.source)) {
    return { stored: true, sent: false, complaint: await relate(analysis, known.id, DROPPED) }
  }
  const { id, ...uploaded } = await send(analysis, signal => crits.addSample(file, signal, known?.description))
  if (id === undefined) return { ...uploaded, complaint: uploaded.complaint ?? 'stored, but not as a sample' }
  return { stored: true, sent: true, complaint: await relate(analysis, id, DROPPED) }
}

/** As `uploadSample`, for the capture of the traffic, which CRITs finds by its MD5 itself. */
export async function uploadPcap(analysis: Analysis, file: SampleFile): Promise<Uploaded> {
  const { id, ...uploaded } = await send(analysis, signal => analysis.crits.addPcap(file, signal))
  if (id === undefined) return uploaded
  return { stored: true, sent: true, complaint: await relate(analysis, id, RELATED, 'PCAP') }
}

/** As `uploadSample`, for a picture of the screen; one that CRITs fails at is given up at once: it says nothing about other files. */
export async function uploadScreenshot(analysis: Analysis, file: SampleFile): Promise<Uploaded> {
  try {
    const { id: _id, ...uploaded } = await send(analysis, signal => analysis.crits.addScreenshot(file, signal))
    return uploaded
  } catch (error: unknown) {
    if (error instanceof ServerAwayError || !isDoubtful(error)) throw error
    return { stored: false, sent: false, complaint: error.message }
  }
}

interface Sent extends Uploaded {
  readonly id?: string | undefined
}

async function send(analysis: Analysis, call: (signal: AbortSignal) => Promise<UploadResult>): Promise<Sent> {
  const { crits, context } = analysis
  try {
    const { stored, id, complaint } = await crits.attempt(context.working, call)
    return { stored, sent: stored, id, complaint }
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
async function relate(
  { crits, context }: Analysis,
  id: string,
  relationship: string,
  type: 'Sample' | 'PCAP' = 'Sample',
): Promise<string | undefined> {
  try {
    await crits.attempt(context.working, signal => crits.forgeRelationship(id, relationship, signal, type))
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
