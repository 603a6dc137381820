/** The form of a submission, as Django reads it. */
import type { IncomingMessage } from 'node:http'
import { readSample, type SampleFacts } from '../cuckoo/sample.js'
import { MultipartError, multipartBoundary, readMultipart } from '../multipart.js'

export interface FormFile {
  /** As sent. */
  readonly name: string
  readonly sample: SampleFacts
}

export interface Form {
  readonly files: readonly FormFile[]
  readonly fields: ReadonlyMap<string, string>
}

const FIELD_LIMIT = 2.5 * 1024 * 1024

/** Reads the body to its end. A chunked or cut body is a form without anything: Django reads as much as it was promised. */
export async function readForm(
  request: IncomingMessage,
  complain: (rule: string, detail: string) => void,
): Promise<Form> {
  const files: FormFile[] = []
  const fields = new Map<string, string>()
  const empty = { files: [], fields: new Map<string, string>() }
  if (request.headers['transfer-encoding'] !== undefined) {
    complain('content-length', 'the body is chunked: CAPE finds no file in it')
    for await (const _unread of request);
    return empty
  }
  const type = request.headers['content-type'] ?? ''
  if (!type.startsWith('multipart/form-data')) {
    for (const [name, value] of plainFields(type, (await textOf(request)).toString())) fields.set(name, value)
    return { files, fields }
  }
  try {
    for await (const part of readMultipart(request, multipartBoundary(type) ?? '')) {
      const name = extendedName(part.parameters.get('filename*')) ?? part.filename
      if (name === undefined) fields.set(part.name, (await textOf(part.body)).toString())
      else if (part.name === 'file' && name !== '') files.push({ name, sample: await readSample(part.body) })
    }
  } catch (error: unknown) {
    if (!(error instanceof MultipartError)) throw error
    complain('multipart', error.message)
    for await (const _unread of request);
    return empty
  }
  return { files, fields }
}

function plainFields(type: string, text: string): Iterable<[string, string]> {
  if (!type.startsWith('application/json')) return new URLSearchParams(text)
  return Object.entries(JSON.parse(text)).map(([name, value]) => [name, String(value)])
}

/** `filename*=UTF-8''…` (RFC 5987), which wins. */
function extendedName(value: string | undefined): string | undefined {
  const encoded = /^[\w-]+'[\w-]*'(.*)$/.exec(value ?? '')?.[1]
  return encoded === undefined ? undefined : decodeURIComponent(encoded)
}

async function textOf(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of source) {
    size += chunk.length
    if (size <= FIELD_LIMIT) chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
