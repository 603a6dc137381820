/** Submissions: forms whose samples are streamed to disk. */
import type { IncomingMessage } from 'node:http'
import { finished } from 'node:stream/promises'
import type { BusboyFileStream } from '@fastify/busboy'
import type { FastifyRequest } from 'fastify'
import type { Files } from '../files/files.js'
import type { Sample } from '../store/model.js'
import { ApiError } from './errors.js'
import { badRequest, type Fields, withQuery } from './fields.js'
import { bodyFields, FORM_OVERHEAD, ignoreFile, isMultipart, readParts, tooLarge } from './form.js'

/** Of a submission that is refused unread, so many bytes are read all the same, for a second. */
const SMALL_BODY = 2 ** 20
const READ_AWAY_MS = 1000

export interface UploadedFile {
  readonly sample: Sample
  /** Basename; empty when the client sent none. */
  readonly filename: string
}

export interface Submission {
  readonly fields: Fields
  /** In the order in which they were sent. */
  readonly files: readonly UploadedFile[]
}

export interface UploadOptions {
  readonly files: Files
  /** Bytes that the files of a submission may have in all. */
  readonly maxUpload: number
  /** Free bytes that must remain. */
  readonly minFreeSpace: number
  /** Names of the parts that are samples; other files are ignored. */
  readonly parts: readonly string[]
  readonly maxFiles: number
}

/**
 * Reads a submission. Its files are on disk when this resolves, and the caller's to remove if their tasks are not stored; when it
 * rejects nothing is left on disk.
 *
 * @throws ApiError 400, 413 or 507.
 */
export async function readSubmission(request: FastifyRequest, options: UploadOptions): Promise<Submission> {
  if (!isMultipart(request)) return { fields: withQuery(request, bodyFields(request.body)), files: [] }
  const announced = Number(request.headers['content-length'] ?? 0)
  try {
    await checkSpace(announced, options)
  } catch (error: unknown) {
    if (announced <= SMALL_BODY) await readAway(request.raw)
    throw error
  }
  const parts: [string, string][] = []
  const uploads = new Uploads(options)
  try {
    await readParts(request.raw, options.maxUpload, parts, (name, stream, filename) => {
      return options.parts.includes(name) ? uploads.take(stream, filename) : ignoreFile(stream)
    })
    return { fields: withQuery(request, parts), files: await uploads.saved() }
  } catch (error: unknown) {
    await uploads.discard()
    throw error
  }
}

async function checkSpace(announced: number, { files, maxUpload, minFreeSpace }: UploadOptions): Promise<void> {
  if (announced > maxUpload + FORM_OVERHEAD) throw tooLarge()
  files.samples.demandWritable()
  if ((await files.freeBytes()) < minFreeSpace + announced) throw new ApiError(507, 'Insufficient Storage')
}

/** A client that is still writing when the connection ends may never read the answer. */
async function readAway(raw: IncomingMessage): Promise<void> {
  raw.resume()
  await finished(raw, { signal: AbortSignal.timeout(READ_AWAY_MS) }).catch(() => undefined)
}

/** The files of a submission, while they are received. */
class Uploads {
  readonly #options: UploadOptions
  readonly #aborted = new AbortController()
  readonly #saving: Promise<UploadedFile>[] = []
  #bytes = 0

  constructor(options: UploadOptions) {
    this.#options = options
  }

  async take(stream: BusboyFileStream, filename: string): Promise<void> {
    // The parser may have been in the middle of a chunk when the submission was refused.
    if (this.#aborted.signal.aborted) return ignoreFile(stream)
    const { maxFiles, maxUpload } = this.#options
    if (this.#saving.length === maxFiles)
      throw badRequest(`More than ${maxFiles === 1 ? 'one file' : `${maxFiles} files`}`)
    const saving = this.#save(stream, filename)
    this.#saving.push(saving)
    const { sample } = await saving
    this.#bytes += sample.size
    if (this.#bytes > maxUpload) throw tooLarge()
  }

  saved(): Promise<UploadedFile[]> {
    return Promise.all(this.#saving)
  }

  /** Removes what was received, also what is still being received. */
  async discard(): Promise<void> {
    this.#aborted.abort(new Error('the upload is not wanted any more'))
    for (const saved of await Promise.allSettled(this.#saving)) {
      if (saved.status === 'fulfilled') await this.#options.files.removeSample(saved.value.sample)
    }
  }

  async #save(stream: BusboyFileStream, filename: string): Promise<UploadedFile> {
    const sample = await this.#options.files.saveSample(stream, this.#aborted.signal)
    return { sample, filename: cleanName(filename) }
  }
}

/** What the parser leaves of a path is its last part; a name is shown and sent on, never used for a path. */
function cleanName(filename: string): string {
  return filename.replace(/\p{Cc}/gu, '').slice(0, 255)
}
