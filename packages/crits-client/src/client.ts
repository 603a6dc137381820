/** CRITs' API for one analysis, one call for each method. */

import type { Availability, Upload } from '@cuckoo-distributed/http'
import type { Answer } from './answer.js'
import type { Batch } from './batch.js'
import {
  type CallOptions,
  type CritsGate,
  callCrits,
  PCAPS_PATH,
  SAMPLES_PATH,
  SCREENSHOTS_PATH,
  SERVICES_PATH,
  streamFromCrits,
} from './call.js'
import { AnalysisGoneError, CritsError } from './errors.js'
import { encodeForm, type Fields } from './form.js'
import { type KnownSample, readKnownSample } from './known-sample.js'
import { cutText } from './row-writer.js'
import type { CritsTarget } from './target.js'
import {
  isTooLarge,
  mayBeTooLarge,
  pcapBody,
  refusedUnasked,
  type SampleFile,
  sampleBody,
  screenshotBody,
  tooLarge,
  toUploadResult,
  type UploadResult,
} from './upload.js'

export type LogLevel = 'debug' | 'info' | 'warning' | 'error' | 'critical'

/** Largest request, in bytes: nginx' default limit. */
export const REQUEST_BYTES_MAX = 1024 * 1024

const CONTROL_LINE = 'a call has failed; does CRITs take log lines?'
const LOG_CHARS_MAX = 4000
/** What the sources of a sample may take: each upload leaves an instance of one. */
const LIST_BYTES_MAX = 16 * 1024 * 1024
/** Longer than the 600 s that CRITs' example configuration of nginx gives a request. */
const UPLOAD_TIMEOUT_MS = 660_000

/**
 * Every method throws CritsAuthError, CritsUrlError, CritsStatusError and CritsError, the `http` package's errors where
 * no answer came or a gateway wrote it, and `signal.reason`. No method but `patiently` waits for CRITs to come back.
 * Calls of one analysis run one after another, and so do those about the same object, because CRITs of 2015 loses one of
 * two relationships that are stored at once.
 */
export class CritsClient {
  /** Largest sum of a batch's three fields that `addResults` sends within `REQUEST_BYTES_MAX`. */
  readonly batchBytesMax: number
  readonly #server: CritsGate
  readonly #target: CritsTarget
  readonly #control = (signal: AbortSignal) => this.log('debug', CONTROL_LINE, signal)

  constructor(server: CritsGate, target: CritsTarget) {
    this.#server = server
    this.#target = target
    const empty = this.#resultFields({ results: [], types: [], subtypes: [] })
    this.batchBytesMax = REQUEST_BYTES_MAX - encodeForm(empty).body.length
  }

  get availability(): Availability {
    return this.#server.availability
  }

  /** `Availability.attempt`, with a line in this analysis' log as control call: it proves more than a probe without user. */
  attempt<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.availability.attempt(signal, call, this.#control)
  }

  /** `Availability.patiently`, with the same control call. */
  patiently<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.availability.patiently(signal, call, this.#control)
  }

  /** `Availability.isAway`, with the same control call. */
  isAway(error: unknown, signal: AbortSignal): Promise<boolean> {
    return this.availability.isAway(error, signal, this.#control)
  }

  /**
   * Adds a line to the analysis' log: the only call that tells whether the analysis exists.
   *
   * @param message not empty; cut after 4000 characters
   * @throws AnalysisGoneError
   */
  async log(level: LogLevel, message: string, signal: AbortSignal): Promise<void> {
    const call = 'adding a log line'
    const fields = { ...this.#ids(), log_level: level, log_message: cutText(message, LOG_CHARS_MAX).toWellFormed() }
    const { returnCode, message: text } = await this.#post(call, fields, signal, { isRepeatable: true })
    if (returnCode !== 0 && text.includes('Could not find task')) throw new AnalysisGoneError(call, returnCode, text)
    if (returnCode !== 0) throw new CritsError(call, returnCode, text)
  }

  /** Adds a batch of rows. CRITs stores all or none; rows for an unknown analysis vanish without an error. */
  async addResults(batch: Batch, signal: AbortSignal): Promise<void> {
    const call = `adding results ${batch.from} to ${batch.to - 1}`
    requireSuccess(call, await this.#post(call, this.#resultFields(batch), signal))
  }

  /** Ends the analysis; CRITs still takes results and log lines afterwards, and a later call changes the status again. */
  async finish(status: 'completed' | 'error', signal: AbortSignal): Promise<void> {
    const call = `finishing the analysis as ${status}`
    // Any non-empty text finishes, "0" and "false" included.
    const fields = { ...this.#ids(), finish: '1', status }
    requireSuccess(call, await this.#post(call, fields, signal, { isRepeatable: true }))
  }

  /**
   * The sample that CRITs has for an MD5, if this user may see it. Its content is left out of the answer: `only`
   * (`crits/crits:crits/core/api.py`).
   */
  async findSample(md5: string, signal: AbortSignal): Promise<KnownSample | undefined> {
    const query = { 'c-md5': md5, only: 'description,source', limit: 1 }
    const request = { call: `looking for ${md5}`, method: 'GET', path: SAMPLES_PATH, query, keys: [], signal } as const
    const chunks: Buffer[] = []
    for await (const chunk of streamFromCrits(this.#server, this.#target, request, LIST_BYTES_MAX)) chunks.push(chunk)
    return readKnownSample(Buffer.concat(chunks).toString('utf8'))
  }

  /**
   * Uploads a file as a sample, without a relationship. Repeating it is harmless: CRITs knows files by their MD5, and adds
   * the source to a sample that it has. A refusal is a result, not an error, so that one bad file does not stop others.
   *
   * @param source name of the source to file it under
   * @param description that of the sample, if CRITs has it; CRITs appends another one to it
   */
  addSample(file: SampleFile, source: string, signal: AbortSignal, description?: string): Promise<UploadResult> {
    return this.#add(SAMPLES_PATH, file, source, sampleBody(file, source, description), signal)
  }

  /** As `addSample`, for a network capture; its name is `<md5>.pcap`. */
  addPcap(file: SampleFile, source: string, signal: AbortSignal): Promise<UploadResult> {
    return this.#add(PCAPS_PATH, file, source, pcapBody(file, source), signal)
  }

  /** As `addSample`, for a picture, which is attached to the analysed sample. CRITs shows it once, however often it is sent. */
  addScreenshot(file: SampleFile, source: string, signal: AbortSignal): Promise<UploadResult> {
    return this.#add(SCREENSHOTS_PATH, file, source, screenshotBody(this.#target, file, source), signal)
  }

  /**
   * Relates the analysed sample to another object. A relationship that exists already, or to itself, counts as made.
   *
   * @param type from `crits/crits:crits/vocabulary/relationships.py`, e.g. `Dropped`
   * @throws SampleError SAMPLE_NOT_FOUND when the user may not see the analysed sample
   */
  async forgeRelationship(
    id: string,
    type: string,
    signal: AbortSignal,
    objectType: 'Sample' | 'PCAP' = 'Sample',
  ): Promise<void> {
    const call = `relating the sample to ${id}`
    const fields = { action: 'forge_relationship', right_type: objectType, right_id: id, rel_type: type }
    const path = samplePath(this.#target.objectId)
    const answer = await this.#send({
      call,
      method: 'PATCH',
      path,
      ...encodeForm(fields),
      isRepeatable: true,
      signal,
    })
    if (/Relationship already exists|Cannot forge relationship to oneself/.test(answer.message)) return
    requireSuccess(call, answer)
  }

  #ids(): Record<string, string> {
    const { objectType, objectId, analysisId } = this.#target
    return { object_type: objectType, object_id: objectId, analysis_id: analysisId }
  }

  #resultFields({ results, types, subtypes }: Pick<Batch, 'results' | 'types' | 'subtypes'>): Fields {
    // Any non-empty text means a batch.
    return { ...this.#ids(), result_is_batch: '1', result: results, result_subtype: subtypes, result_type: types }
  }

  #post(
    call: string,
    fields: Fields,
    signal: AbortSignal,
    options: Pick<CallOptions, 'isRepeatable'> = {},
  ): Promise<Answer> {
    return this.#send({ call, method: 'POST', path: SERVICES_PATH, ...encodeForm(fields), signal, ...options })
  }

  async #add(path: string, file: SampleFile, source: string, body: Upload, signal: AbortSignal): Promise<UploadResult> {
    const refused = refusedUnasked(source, file)
    if (refused) return refused
    for (let isRepeat = false; ; isRepeat = true) {
      try {
        return toUploadResult(await this.#upload(path, file, body, signal))
      } catch (error: unknown) {
        if (isTooLarge(error, body)) return tooLarge(file)
        if (!mayBeTooLarge(error, body) || (await this.isAway(error, signal))) throw error
        if (isRepeat) return tooLarge(file)
      }
    }
  }

  #upload(path: string, { md5 }: SampleFile, body: Upload, signal: AbortSignal): Promise<Answer> {
    return this.#send({
      call: `uploading ${md5}`,
      method: 'POST',
      path,
      body,
      headersTimeoutMs: UPLOAD_TIMEOUT_MS,
      signal,
      // CRITs' index on MD5 is not unique: two uploads of a new file at once make two samples.
      keys: [`md5 ${md5}`],
    })
  }

  #send({ keys = [], ...options }: Omit<CallOptions, 'keys'> & Partial<Pick<CallOptions, 'keys'>>): Promise<Answer> {
    return callCrits(this.#server, this.#target, { ...options, keys: [`object ${this.#target.objectId}`, ...keys] })
  }
}

function samplePath(id: string): string {
  return `${SAMPLES_PATH}${encodeURIComponent(id)}/`
}

function requireSuccess(call: string, { returnCode, message }: Answer): void {
  if (returnCode !== 0) throw new CritsError(call, returnCode, message)
}
