// GET /api/v1/samples/<id>/: the document with its bytes as base64, or the bytes as an encrypted ZIP.
import { setTimeout as delay } from 'node:timers/promises'
import { deflateSync } from 'node:zlib'
import { type Answer, CritsCrash, pythonJson } from './answers.js'
import type { CritsUser } from './auth.js'
import type { StoredSample } from './store.js'
import { encryptedZip } from './zip.js'

/** A multiple of 3, so that pieces of base64 can be joined. */
const CHUNK = 3 * 64 * 1024
const PASSWORD = 'infected'

/** The fields of a list's row that `only` names; the sources are those that the user may see. */
export function sampleFields({ id, description, sources }: StoredSample, only: readonly string[], user: CritsUser) {
  const visible = sources.filter(({ name }) => user.sources.some(source => source.name === name))
  return {
    _id: id,
    ...(only.includes('description') && description !== undefined && { description }),
    ...(only.includes('source') && {
      source: visible.map(({ name, instances }) => ({ instances: instances.map(one => ({ ...one })), name })),
    }),
    filedata: '',
  }
}

/** The JSON document; `filedata` is written piece by piece. @throws CritsCrash when the bytes were not kept */
export function sampleDocument(sample: StoredSample): Answer {
  const bytes = bytesOf(sample)
  const { id, content, created, filenames, filename, md5, sources, relationships, description } = sample
  const text = pythonJson({
    _id: id,
    status: 'New',
    created,
    modified: created,
    ...(description === undefined ? {} : { description }),
    source: sources.map(({ name, instances }) => ({ instances: instances.map(instance => ({ ...instance })), name })),
    relationships: relationships.map(({ relationship, type, objectId }) => ({ relationship, type, value: objectId })),
    filedata: '',
    filename,
    filenames,
    filetype: 'data',
    md5,
    mimetype: 'application/octet-stream',
    ...(content === undefined ? {} : { sha1: content.sha1, sha256: content.sha256, size: content.size }),
  })
  const mark = '"filedata": "'
  const split = text.indexOf(mark) + mark.length
  const [before, after] = [Buffer.from(text.slice(0, split)), Buffer.from(text.slice(split))]
  async function* body(): AsyncGenerator<Buffer> {
    yield before
    for (let at = 0; at < bytes.length; at += CHUNK) {
      yield Buffer.from(bytes.subarray(at, at + CHUNK).toString('base64'), 'latin1')
    }
    yield after
  }
  return {
    status: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-cache', vary: 'Accept' },
    body: body(),
    length: before.length + 4 * Math.ceil(bytes.length / 3) + after.length,
  }
}

/**
 * The ZIP of `?file=1`; `format` is `base64`, `zlib`, `invert` or anything else for the raw bytes.
 * CRITs waits a second for its zip process: `wait` milliseconds here. No bytes: 200 and a text.
 */
export async function sampleZip(
  sample: StoredSample,
  format: string | null,
  wait: number,
  signal: AbortSignal,
): Promise<Answer> {
  const headers = { 'content-type': 'application/octet-stream; charset=utf-8', vary: 'Accept' }
  const bytes = bytesOf(sample)
  if (bytes.length === 0) return { status: 200, headers, body: 'No files found!' }
  await delay(wait, undefined, { signal })
  return { status: 200, headers, ...encryptedZip(sample.md5, transform(bytes, format), PASSWORD) }
}

function bytesOf({ content, md5 }: StoredSample): Buffer {
  if (content === undefined) return Buffer.alloc(0)
  if (content.bytes === undefined) {
    throw new CritsCrash(`the stand-in kept only the digest of ${md5} (${content.size} bytes); raise keepLimit`)
  }
  return content.bytes
}

function transform(bytes: Buffer, format: string | null): Buffer {
  switch (format) {
    case 'base64':
      return Buffer.from(bytes.toString('base64'))
    case 'zlib':
      return deflateSync(bytes)
    case 'invert':
      return Buffer.from(bytes.map(byte => byte ^ 0xff))
    default:
      return bytes
  }
}
