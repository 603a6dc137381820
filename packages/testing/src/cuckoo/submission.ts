/** `POST /tasks/create/file`: what each version makes of the form, and what a correct client would not have sent. */
import type { IncomingMessage } from 'node:http'
import { MultipartError, type MultipartPart, multipartBoundary, readMultipart } from '../multipart.js'
import type { Flavour } from './flavour.js'
import { readSample, type SampleFacts } from './sample.js'
import type { Submission } from './task.js'

/** The form cannot be used: the server answers with the framework's own page. */
export class FormError extends Error {
  readonly code = 'ERR_FORM'
  /** 400 where a part is missing in Flask, 500 elsewhere. */
  readonly status: 400 | 500

  constructor(status: 400 | 500, message: string) {
    super(message)
    this.name = 'FormError'
    this.status = status
  }
}

export interface ReadForm {
  readonly submission: Submission
  /** False when the insert fails silently and the answer is `{"task_id": null}`. */
  readonly storable: boolean
}

const TEXT_FIELDS = ['package', 'timeout', 'priority', 'options', 'machine', 'platform', 'tags', 'custom', 'clock']
const BOOLEAN_FIELDS = ['memory', 'enforce_timeout']
const TEXT_LIMIT = 1024 * 1024

/**
 * Reads the form to its end. `complain` is called for everything that works with this server but is wrong.
 * @throws FormError with the status the server answers
 */
export async function readForm(
  request: IncomingMessage,
  flavour: Flavour,
  complain: (rule: string, detail: string) => void,
): Promise<ReadForm> {
  const { file, fields } = await readParts(request, flavour, complain)
  checkFields(fields, flavour, complain)
  if (file === undefined || file.sentName === '') {
    const missing = flavour.framework === 'bottle' || (file !== undefined && flavour.version === '2.0-dev') ? 500 : 400
    throw new FormError(missing, 'the form has no part "file" with a file name')
  }
  const field = (name: string): string => fields.get(name) ?? ''
  const flag = (name: string): boolean => readFlag(fields.get(name), flavour)
  const submission = {
    ...file,
    fileName: storedName(file.sentName, flavour),
    package: field('package'),
    timeout: numeric(field('timeout') || '0'),
    priority: numeric(field('priority') || '1'),
    options: field('options'),
    machine: field('machine'),
    platform: field('platform'),
    tags: field('tags')
      .split(',')
      .map(tag => tag.trim())
      .filter(tag => tag !== ''),
    custom: field('custom'),
    owner: flavour.owner ? field('owner') : '',
    memory: flag('memory'),
    enforceTimeout: flag('enforce_timeout'),
    clock: readClock(field('clock')),
  }
  // Bottle hands byte strings to SQLAlchemy, which SQLite refuses outside ASCII; the error is swallowed.
  const storable = flavour.framework === 'flask' || isAscii(submission.custom + submission.options)
  return { submission, storable }
}

interface Parts {
  file: { sample: SampleFacts; sentName: string } | undefined
  fields: Map<string, string>
}

async function readParts(
  request: IncomingMessage,
  flavour: Flavour,
  complain: (rule: string, detail: string) => void,
): Promise<Parts> {
  const parts: Parts = { file: undefined, fields: new Map() }
  const chunked = request.headers['transfer-encoding'] !== undefined
  if (chunked) complain('content-length', 'the body is chunked; the version of 2015-11-30 reads such a form as empty')
  try {
    const boundary = multipartBoundary(request.headers['content-type'] ?? '')
    if (boundary === undefined || (chunked && !flavour.chunked)) {
      for await (const _unread of request);
      return parts
    }
    for await (const part of readMultipart(request, boundary)) await readPart(part, parts, complain)
  } catch (error: unknown) {
    if (!(error instanceof MultipartError)) throw error
    complain('multipart', error.message)
    for await (const _unread of request);
    throw new FormError(flavour.framework === 'bottle' ? 500 : 400, error.message)
  }
  return parts
}

async function readPart(
  part: MultipartPart,
  parts: Parts,
  complain: (rule: string, detail: string) => void,
): Promise<void> {
  if (part.parameters.has('filename*')) complain('filename*', `part "${part.name}": the servers ignore filename*`)
  if (part.filename !== undefined) {
    if (part.name !== 'file') complain('form-field', `unexpected file part "${part.name}"`)
    else parts.file = { sample: await readSample(part.body), sentName: part.filename }
    return
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of part.body) {
    size += chunk.length
    if (size > TEXT_LIMIT) throw new FormError(500, `the field "${part.name}" is longer than ${TEXT_LIMIT} bytes`)
    chunks.push(chunk)
  }
  if (part.name === 'file') complain('form-field', 'the part "file" has no file name')
  else parts.fields.set(part.name, Buffer.concat(chunks).toString('utf8'))
}

function checkFields(
  fields: ReadonlyMap<string, string>,
  flavour: Flavour,
  complain: (rule: string, detail: string) => void,
): void {
  const known = [
    ...TEXT_FIELDS,
    ...BOOLEAN_FIELDS,
    ...(flavour.owner ? ['owner'] : []),
    ...(flavour.newTaskFields ? ['unique'] : []),
  ]
  for (const [name, value] of fields) {
    if (!known.includes(name)) complain('form-field', `the field "${name}" is unknown to ${flavour.version}`)
    if (BOOLEAN_FIELDS.includes(name) && /^(|0|no|off|false|none)$/i.test(value)) {
      complain('boolean', `the field "${name}" is "${value}": true in 1.x, and an error in 2.0 when empty; omit it`)
    }
    if (['timeout', 'priority'].includes(name) && value !== '' && !/^-?\d+$/.test(value)) {
      complain('integer', `the field "${name}" is not an integer`)
    }
    if (['custom', 'options'].includes(name)) checkColumn(name, value, complain)
  }
}

function checkColumn(name: string, value: string, complain: (rule: string, detail: string) => void): void {
  if (!isAscii(value)) complain('ascii', `the field "${name}" is not ASCII: 1.2 answers task_id null`)
  if (value.length > 255) complain('length', `the field "${name}" is longer than the 255 characters of its column`)
}

function readFlag(value: string | undefined, flavour: Flavour): boolean {
  if (!flavour.parsedBooleans) return value !== undefined && value !== ''
  if (value === undefined || /^(false|no|off|none|0)$/i.test(value)) return false
  if (/^(true|yes|on|1)$/i.test(value)) return true
  if (!/^\s*-?\d+\s*$/.test(value)) throw new FormError(500, `"${value}" is not a boolean`)
  return Number(value) !== 0
}

function numeric(text: string): number | string {
  return /^-?\d{1,18}$/.test(text) ? Number(text) : text
}

/** `%m-%d-%Y %H:%M:%S`; anything else is ignored. */
function readClock(text: string): Date | undefined {
  const match = /^(\d{2})-(\d{2})-(\d{4}) (\d{2}):(\d{2}):(\d{2})$/.exec(text)
  if (match === null) return undefined
  const [month = 1, day = 1, year = 1970, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  return new Date(year, month - 1, day, hour, minute, second)
}

/** Bottle rewrites names (`bottlepy/bottle:bottle.py` `FileUpload.filename`); Flask keeps them. Paths are cut in both. */
function storedName(sent: string, flavour: Flavour): string {
  const base = sent.split(/[/\\]/).at(-1) ?? ''
  if (flavour.framework === 'flask') return base.slice(0, 100)
  const ascii = base
    .normalize('NFKD')
    .replace(/[^a-zA-Z0-9\-_.\s]/g, '')
    .trim()
  return (
    ascii
      .replace(/^\.+|\.+$/g, '')
      .trim()
      .replace(/[-\s]+/g, '-') || 'empty'
  ).slice(0, 100)
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text)
}
