/** Reads forms: small ones into fields, those of a submission with the sample streamed to disk. */
import type { IncomingMessage } from 'node:http'
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Files } from '../files/files.js'
import type { Sample } from '../store/model.js'
import { ApiError } from './errors.js'
import { badRequest, checkedText, type Fields, jsonFields, withQuery } from './fields.js'

const MAX_FIELDS = 100
const MAX_FIELD_BYTES = 64 * 1024
/** Room for what a form has besides its file. */
const FORM_OVERHEAD = MAX_FIELDS * (MAX_FIELD_BYTES + 1024)

export interface UploadedFile {
  readonly sample: Sample
  /** Basename; empty when the client sent none. */
  readonly filename: string
}

export interface Submission {
  readonly fields: Fields
  readonly file: UploadedFile | undefined
}

export interface UploadOptions {
  readonly files: Files
  /** Largest file, in bytes. */
  readonly maxUpload: number
  /** Free bytes that must remain. */
  readonly minFreeSpace: number
}

/** Multipart bodies are left to the handlers, which stream them. */
export function acceptForms(app: FastifyInstance): void {
  app.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null))
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, new URLSearchParams(String(body)))
  })
}

/** The fields of a form, a JSON object or no body at all, and of the query string. */
export async function readFields(request: FastifyRequest): Promise<Fields> {
  if (isMultipart(request)) {
    const parts: [string, string][] = []
    await readParts(request.raw, MAX_FIELD_BYTES, parts, (_name, stream) => ignoreFile(stream))
    return withQuery(request, parts)
  }
  return withQuery(request, bodyFields(request.body))
}

/**
 * Reads a submission. Its file (part `file`) is on disk when this resolves, and the caller's to remove if the task is not stored;
 * when it rejects nothing is left on disk.
 *
 * @throws ApiError 400, 413 or 507.
 */
export async function readSubmission(request: FastifyRequest, options: UploadOptions): Promise<Submission> {
  if (!isMultipart(request)) return { fields: withQuery(request, bodyFields(request.body)), file: undefined }
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > options.maxUpload + FORM_OVERHEAD) throw tooLarge()
  if ((await options.files.freeBytes()) < options.minFreeSpace + announced)
    throw new ApiError(507, 'Insufficient Storage')
  const parts: [string, string][] = []
  const upload = new FileUpload(options)
  try {
    await readParts(request.raw, options.maxUpload, parts, (name, stream, filename) => {
      return name === 'file' ? upload.take(stream, filename) : ignoreFile(stream)
    })
    return { fields: withQuery(request, parts), file: upload.file }
  } catch (error: unknown) {
    await upload.discard()
    throw error
  }
}

/** The one file of a submission, while it is received. */
class FileUpload {
  readonly #options: UploadOptions
  readonly #aborted = new AbortController()
  #saving: Promise<Sample> | undefined
  file: UploadedFile | undefined

  constructor(options: UploadOptions) {
    this.#options = options
  }

  async take(stream: BusboyFileStream, filename: string): Promise<void> {
    // The parser may have been in the middle of a chunk when the submission was refused.
    if (this.#aborted.signal.aborted) return ignoreFile(stream)
    if (this.#saving !== undefined) throw new ApiError(400, 'More than one file')
    this.#saving = this.#options.files.saveSample(stream, this.#aborted.signal)
    const sample = await this.#saving
    this.file = { sample, filename: cleanName(filename) }
  }

  /** Removes what was received, also when it is still being received. */
  async discard(): Promise<void> {
    this.#aborted.abort(new Error('the upload is not wanted any more'))
    const [saved] = await Promise.allSettled([this.#saving])
    if (saved?.status === 'fulfilled' && saved.value !== undefined) await this.#options.files.removeSample(saved.value)
  }
}

type TakeFile = (name: string, stream: BusboyFileStream, filename: string) => Promise<void>

async function ignoreFile(stream: BusboyFileStream): Promise<void> {
  stream.resume()
}

/** Reads a multipart body to its end, or until something is wrong with it; what is left is then read and thrown away. */
async function readParts(
  raw: IncomingMessage,
  maxFile: number,
  parts: [string, string][],
  takeFile: TakeFile,
): Promise<void> {
  const taken: Promise<void>[] = []
  const parser = createParser(raw, maxFile)
  try {
    await new Promise<void>((resolve, reject) => {
      parser.on('file', (name, stream, filename) => {
        stream.on('limit', () => reject(tooLarge()))
        stream.on('error', reject)
        const taking = takeFile(name, stream, filename)
        taking.catch(reject)
        taken.push(taking)
      })
      parser.on('field', (name, value, _nameCut, cut) => {
        if (cut) reject(tooLarge())
        else parts.push([name, value])
      })
      parser.on('fieldsLimit', () => reject(badRequest()))
      parser.on('partsLimit', () => reject(badRequest()))
      // Whatever the parser does not like is the client's fault, as is a connection that ends early.
      for (const source of [parser, raw]) source.on('error', () => reject(badRequest()))
      parser.on('finish', resolve)
      // A connection that ended before this point says so no more.
      if (raw.destroyed) reject(badRequest())
      raw.pipe(parser)
    })
    await Promise.all(taken)
  } finally {
    raw.unpipe(parser)
    raw.resume()
  }
  for (const [name, value] of parts) checkedText(name, value)
}

function createParser(raw: IncomingMessage, maxFile: number): BusboyInstance {
  const limits = { fieldSize: MAX_FIELD_BYTES, fields: MAX_FIELDS, parts: MAX_FIELDS, fileSize: maxFile }
  try {
    return new Busboy({ headers: { ...raw.headers, 'content-type': raw.headers['content-type'] ?? '' }, limits })
  } catch (error: unknown) {
    throw new ApiError(400, 'Bad Request', { cause: error })
  }
}

function bodyFields(body: unknown): [string, string][] {
  if (body === undefined || body === null) return []
  if (!(body instanceof URLSearchParams)) return jsonFields(body)
  for (const [name, value] of body) checkedText(name, value)
  return [...body]
}

function isMultipart(request: FastifyRequest): boolean {
  return /^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')
}

/** What the parser leaves of a path is its last part; a name is shown and sent on, never used for a path. */
function cleanName(filename: string): string {
  return filename.replace(/\p{Cc}/gu, '').slice(0, 255)
}

function tooLarge(): ApiError {
  return new ApiError(413, 'Payload Too Large')
}
