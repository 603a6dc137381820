/** Reads forms, whose files are streamed to whoever wants them. */
import type { IncomingMessage } from 'node:http'
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError } from './errors.js'
import { badRequest, checkedText, type Fields, jsonFields, withQuery } from './fields.js'

const MAX_FIELDS = 100
/** Fields, files, and what is passed over. */
const MAX_PARTS = 2 * MAX_FIELDS
const MAX_FIELD_BYTES = 64 * 1024
/** Room for what a form has besides its files. */
export const FORM_OVERHEAD = MAX_FIELDS * (MAX_FIELD_BYTES + 1024)
/** The parts that are samples; with those nobody minds an empty file name. */
const SAMPLES = new Set(['file', 'files'])
/** Multipart bodies are left to the handlers, which stream them. */
export function acceptForms(app: FastifyInstance): void {
  app.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null))
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    // Clients name the type of a body that they do not send.
    if (body.length === 0) return done(null)
    try {
      done(null, JSON.parse(String(body)))
    } catch (error: unknown) {
      done(new ApiError(400, 'The body is not JSON', { cause: error }))
    }
  })
  app.addContentTypeParser('*', (request, payload, done) => {
    payload.resume()
    done(isEmpty(request) ? null : new ApiError(415, 'Send a form, or a JSON object'))
  })
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, new URLSearchParams(String(body)))
  })
}

function isEmpty({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
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

/** Takes a file part; what it does not want it must read to its end all the same. */
export type TakeFile = (name: string, stream: BusboyFileStream, filename: string) => Promise<void>

export async function ignoreFile(stream: BusboyFileStream): Promise<void> {
  stream.resume()
}

/** Reads a multipart body to its end, or until something is wrong with it; what is left is then read and thrown away. */
export async function readParts(
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
        // A stream that its reader has destroyed says nothing new: the reader fails for a reason of its own.
        stream.on('error', () => stream.destroyed || reject(unreadable()))
        const taking = takeFile(name, stream, filename)
        taking.catch(reject)
        taken.push(taking)
      })
      parser.on('field', (name, value, _nameCut, cut) => {
        if (cut) reject(tooLarge())
        else parts.push([name, value])
      })
      for (const limit of ['fieldsLimit', 'partsLimit'] as const) {
        parser.on(limit, () => reject(badRequest(`The form has more than ${MAX_FIELDS} fields`)))
      }
      // Whatever the parser does not like is the client's fault, as is a connection that ends early.
      for (const source of [parser, raw]) source.on('error', () => reject(unreadable()))
      parser.on('finish', resolve)
      // A connection that ended before this point says so no more.
      if (raw.destroyed) reject(unreadable())
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
  const limits = { fieldSize: MAX_FIELD_BYTES, fields: MAX_FIELDS, parts: MAX_PARTS, fileSize: maxFile }
  const headers = { ...raw.headers, 'content-type': raw.headers['content-type'] ?? '' }
  try {
    return new Busboy({ headers, limits, isPartAFile })
  } catch (error: unknown) {
    throw new ApiError(400, 'The form cannot be read', { cause: error })
  }
}

/**
 * With an empty file name a part is a text, as the documentation of Cuckoo 1.2 sends `url` (`docs/book/src/usage/api.rst`), but for the
 * sample itself, whose client may have no name for it.
 */
function isPartAFile(name: string | undefined, type: string | undefined, filename: string | undefined): boolean {
  if (filename === undefined) return type === 'application/octet-stream'
  return filename !== '' || SAMPLES.has(name ?? '')
}

function unreadable(): ApiError {
  return badRequest('The form cannot be read')
}

export function bodyFields(body: unknown): [string, string][] {
  if (body === undefined || body === null) return []
  if (!(body instanceof URLSearchParams)) return jsonFields(body)
  for (const [name, value] of body) checkedText(name, value)
  return [...body]
}

export function isMultipart(request: FastifyRequest): boolean {
  return /^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')
}

export function tooLarge(): ApiError {
  return new ApiError(413, 'Payload Too Large')
}
