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
  /** CRITs has the file, under one source of the message at least. */
  readonly stored: boolean
  /** It was sent. */
  readonly sent: boolean
  /** What CRITs finds wrong with the file. */
  readonly complaint?: string | undefined
  /** A call's own doubtful error: CRITs fails at this file, or at filing it under one source, and says nothing about it. */
  readonly failure?: Error | undefined
}

/**
 * Sees to it that CRITs has a file, filed under each source of the message so that its users see it, and relates it to the sample.
 * Where it is filed already it is not sent again. Throws ServerAwayError, and what others' calls would meet as well.
 */
export async function uploadSample(analysis: Analysis, file: SampleFile): Promise<Uploaded> {
  const { crits } = analysis
  const known = await findSample(analysis, file.md5)
  const filed = known?.sources ?? []
  const add = (source: string, signal: AbortSignal) => crits.addSample(file, source, signal, known?.description)
  const sent = await sendAll(analysis, sourcesOf(analysis), filed, add)
  const id = sent.id ?? (sent.stored ? known?.id : undefined)
  return related(analysis, sent, id, DROPPED)
}

/** As `uploadSample`, for the capture of the traffic, which CRITs finds by its MD5 itself. */
export async function uploadPcap(analysis: Analysis, file: SampleFile): Promise<Uploaded> {
  const add = (source: string, signal: AbortSignal) => analysis.crits.addPcap(file, source, signal)
  const sent = await sendAll(analysis, sourcesOf(analysis), [], add)
  return related(analysis, sent, sent.id, RELATED, 'PCAP')
}

/**
 * As `uploadSample`, for a picture of the screen, under the first source: of a picture that it has CRITs keeps the last source only
 * (`crits/crits:crits/screenshots/handlers.py`). One that CRITs fails at is given up at once: it says nothing about other files.
 */
export async function uploadScreenshot(analysis: Analysis, file: SampleFile): Promise<Uploaded> {
  const add = (source: string, signal: AbortSignal) => analysis.crits.addScreenshot(file, source, signal)
  const { stored, sent, complaint, failure } = await sendAll(analysis, sourcesOf(analysis).slice(0, 1), [], add)
  return { stored, sent, complaint: complaint ?? failure?.message }
}

/** At least one, which may be empty: CRITs' client says what is wrong then. */
function sourcesOf({ task: { crits } }: Analysis): readonly string[] {
  return crits.sources ?? [crits.source]
}

interface Sent extends Uploaded {
  readonly id?: string | undefined
  readonly isFileRefused?: true
}

/** Sends a file once for each source that it is not filed under. After a failure the others are left to the next try. */
async function sendAll(
  analysis: Analysis,
  sources: readonly string[],
  filed: readonly string[],
  add: (source: string, signal: AbortSignal) => Promise<UploadResult>,
): Promise<Sent> {
  let all: Sent = { stored: sources.some(source => filed.includes(source)), sent: false }
  for (const source of sources.filter(source => !filed.includes(source))) {
    const { isFileRefused, ...one } = await send(analysis, signal => add(source, signal))
    const where = sources.length === 1 || isFileRefused ? '' : `source "${source}": `
    const complaints = [all.complaint, one.complaint && `${where}${one.complaint}`].filter(text => text !== undefined)
    all = {
      stored: all.stored || one.stored,
      sent: all.sent || one.sent,
      id: all.id ?? one.id,
      complaint: complaints.length > 0 ? complaints.join('; ') : undefined,
      failure: one.failure,
    }
    if (isFileRefused || all.failure !== undefined) break
  }
  return all
}

async function send(analysis: Analysis, call: (signal: AbortSignal) => Promise<UploadResult>): Promise<Sent> {
  const { crits, context } = analysis
  try {
    const result = await crits.attempt(context.working, call)
    return { ...result, sent: result.stored }
  } catch (error: unknown) {
    if (isRefusal(error)) return { stored: false, sent: false, complaint: error.message }
    if (error instanceof ServerAwayError || !isDoubtful(error)) throw error
    return { stored: false, sent: false, failure: error }
  }
}

/** `sent`, once its object is related to the sample. */
async function related(
  analysis: Analysis,
  { stored, sent, complaint, failure }: Sent,
  id: string | undefined,
  relationship: string,
  type: 'Sample' | 'PCAP' = 'Sample',
): Promise<Uploaded> {
  if (!stored || id === undefined) {
    const word = stored && type === 'Sample' ? 'stored, but not as a sample' : undefined
    return { stored, sent, complaint: complaint ?? word, failure }
  }
  const problem = await relate(analysis, id, relationship, type)
  return { stored, sent, complaint: problem ?? complaint, failure }
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
