// Request bodies as Django and tastypie see them.
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type MultipartPart, multipartBoundary, readMultipart } from '../multipart.js'
import { BadRequest, CritsCrash } from './answers.js'
import type { Profile } from './auth.js'
import { djangoFilename, rawFilename } from './filename.js'
import type { JournalEntry, Report } from './journal.js'
import type { FileContent } from './store.js'

/** `DATA_UPLOAD_MAX_MEMORY_SIZE` of Django >= 1.10, which CRITs does not raise. */
const DJANGO_BODY_LIMIT = 2_621_440
/** Text of forms and JSON that the stand-in itself is willing to hold. */
const TEXT_LIMIT = 64 * 1024 * 1024

/** Fields by name: strings of a form, any values of a JSON object. Of a repeated name the last counts. */
export type FormData = ReadonlyMap<string, unknown>

/** The file part `filedata`. */
export interface UploadedFile extends FileContent {
  /** After Django's rules; not empty. */
  readonly filename: string
  /** The first four bytes. */
  readonly magic: string
}

/** A body that was read to its end, not yet interpreted as far as Django does that after authentication. */
export interface RequestBody {
  readonly size: number
  /** Form fields as Django's `request.POST` would hold them for a POST. */
  readonly form: ReadonlyMap<string, string> | undefined
  readonly file: UploadedFile | undefined
  /** The fields as the API's code gets them. @throws BadRequest for bad JSON, CritsCrash for other types */
  data(): FormData
}

export interface BodyRules {
  readonly profile: Profile
  /** Files up to this size keep their bytes. */
  readonly keepLimit: number
  readonly report: Report
}

/** Python's truth value of what a form or JSON field can hold. */
export function isTruthy(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0
  return Boolean(value)
}

/**
 * Reads the body by its Content-Length; without one (a chunked body too) it is empty. Fills `entry.fields`.
 * @throws CritsCrash when it is larger than the profile's limit or malformed
 */
export async function readBody(request: IncomingMessage, entry: JournalEntry, rules: BodyRules): Promise<RequestBody> {
  const size = Number(request.headers['content-length'] ?? 0)
  const type = request.headers['content-type'] ?? ''
  if (size === 0 || (rules.profile === 'master' && size > DJANGO_BODY_LIMIT)) {
    for await (const _chunk of request);
    if (size > 0) throw new CritsCrash('Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.')
    return { size, form: undefined, file: undefined, data: () => new Map() }
  }
  if (/^multipart\/form-data/i.test(type)) return readMultipartBody(request, type, size, entry, rules)
  const text = await readText(request)
  if (type === 'application/x-www-form-urlencoded') return formBody(text, size, entry)
  const data = /^application\/json *(;|$)/i.test(type)
    ? () => jsonFields(text, entry, rules.profile)
    : () => {
        throw unsupported(type, rules.profile)
      }
  return { size, form: undefined, file: undefined, data }
}

async function readText(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > TEXT_LIMIT) throw new CritsCrash(`the stand-in holds at most ${TEXT_LIMIT} bytes of text`)
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}

async function readMultipartBody(
  request: IncomingMessage,
  type: string,
  size: number,
  entry: JournalEntry,
  rules: BodyRules,
): Promise<RequestBody> {
  const form = new Map<string, string>()
  const fields: { name: string; size: number }[] = []
  let file: UploadedFile | undefined
  try {
    for await (const part of readMultipart(request, multipartBoundary(type) ?? '')) {
      reportNames(part, rules.report)
      const filename = rawFilename(part, rules.profile)
      if (filename === undefined || filename === '') {
        const bytes = await readText(part.body)
        form.set(part.name, bytes.toString('utf8'))
        fields.push({ name: part.name, size: bytes.length })
        continue
      }
      const content = await readFile(part, djangoFilename(filename), rules)
      fields.push({ name: part.name, size: content.size })
      if (part.name === 'filedata') file = content
    }
  } catch (cause: unknown) {
    // A client that went away is no crash of CRITs.
    if (request.destroyed && !request.complete) throw cause
    throw new CritsCrash(cause instanceof Error ? cause.message : String(cause), { cause })
  } finally {
    entry.fields = fields
  }
  if (file?.filename === '') {
    if (rules.profile === '2015') throw new CritsCrash('the file name is empty after sanitising')
    file = undefined
  }
  return { size, form, file, data: () => form }
}

function reportNames(part: MultipartPart, report: Report): void {
  if (part.parameters.has('filename*'))
    report('extended-filename', `part ${part.name}: filename* is unknown to old Django`)
  if (part.filename === '') report('empty-filename', `part ${part.name}: an empty file name makes it a text field`)
}

async function readFile(part: MultipartPart, filename: string, { keepLimit }: BodyRules): Promise<UploadedFile> {
  const hashes = { md5: createHash('md5'), sha1: createHash('sha1'), sha256: createHash('sha256') }
  let kept: Buffer[] | undefined = []
  let magic = Buffer.alloc(0)
  let size = 0
  for await (const chunk of part.body) {
    for (const hash of Object.values(hashes)) hash.update(chunk)
    size += chunk.length
    if (magic.length < 4) magic = Buffer.concat([magic, chunk.subarray(0, 4 - magic.length)])
    if (size > keepLimit) kept = undefined
    // A chunk is a view of a larger buffer, which a kept file must not hold on to.
    kept?.push(Buffer.from(chunk))
  }
  return {
    filename,
    magic: magic.toString('hex'),
    size,
    md5: hashes.md5.digest('hex'),
    sha1: hashes.sha1.digest('hex'),
    sha256: hashes.sha256.digest('hex'),
    bytes: kept && Buffer.concat(kept),
  }
}

function formBody(text: Buffer, size: number, entry: JournalEntry): RequestBody {
  const form = new Map<string, string>()
  const fields: { name: string; size: number }[] = []
  // Django splits at semicolons too.
  for (const pair of text.toString('latin1').split(/[&;]/)) {
    if (pair === '') continue
    const [name = '', ...rest] = pair.split('=')
    const value = unquote(rest.join('='))
    form.set(unquote(name), value)
    fields.push({ name: unquote(name), size: Buffer.byteLength(value) })
  }
  entry.fields = fields
  const data = () => {
    if (form.has('filedata')) throw new BadRequest('Filedata only supported in multipart forms.')
    return form
  }
  return { size, form, file: undefined, data }
}

function unquote(text: string): string {
  const bytes = text
    .replaceAll('+', ' ')
    .replaceAll(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

function jsonFields(text: Buffer, entry: JournalEntry, profile: Profile): FormData {
  let value: unknown
  try {
    value = JSON.parse(text.toString('utf8'))
  } catch (cause: unknown) {
    throw new BadRequest(profile === '2015' ? '' : 'Request is not valid JSON.', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CritsCrash('AttributeError: the JSON body is not an object')
  }
  const fields = Object.entries(value)
  entry.fields = fields.map(([name, item]) => ({ name, size: Buffer.byteLength(JSON.stringify(item)) }))
  return new Map(fields)
}

/** tastypie 0.11 crashes, 0.13 and 0.14 have a status of their own. The equality with the form type is CRITs' own. */
function unsupported(type: string, profile: Profile): CritsCrash {
  const status = { '2015': 500, stable: 400, master: 415 }[profile]
  return new CritsCrash(`The format indicated '${type}' had no available deserialization method.`, { status })
}
