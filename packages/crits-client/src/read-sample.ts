/** Reads the analysed sample out of CRITs. */

import { tmpdir } from 'node:os'
import { type CritsGate, SAMPLES_PATH, streamFromCrits } from './call.js'
import { SampleError } from './errors.js'
import { filedata } from './sample-json.js'
import { unzipped } from './sample-zip.js'
import type { CritsTarget } from './target.js'

export interface ReadSampleOptions {
  /** Limit of the content. */
  readonly maxBytes: number
  /** Directory for a file without a name, which the ZIP of an old CRITs needs; empty = the system's. */
  readonly tmpDir: string
  readonly signal: AbortSignal
}

/** What a sample's JSON may hold besides its content: MongoDB stores 16 MB, which grow when written as JSON. */
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
/** What a ZIP may add to its content, which it does not shrink if it is encrypted and stored. */
const ZIP_BYTES_MAX = 1024 * 1024

/**
 * The content of the analysed sample, as it arrives: out of its JSON, or where that holds only the id of a file, as with
 * CRITs before June 2016, out of a ZIP. Neither its length nor its MD5 is known here.
 *
 * @throws SampleError SAMPLE_NOT_FOUND when it does not exist or the user may not see it, SAMPLE_EMPTY,
 *   SAMPLE_TOO_LARGE, SAMPLE_UNREADABLE; StagingError; what a call to CRITs throws
 */
export async function* readSample(
  server: CritsGate,
  target: CritsTarget,
  { maxBytes, tmpDir, signal }: ReadSampleOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const path = `${SAMPLES_PATH}${encodeURIComponent(target.objectId)}/`
  const request = { call: 'reading the sample', method: 'GET', path, keys: [], signal } as const
  try {
    const limit = Math.ceil(maxBytes / 3) * 4 + DOCUMENT_BYTES_MAX
    yield* filedata(streamFromCrits(server, target, request, limit), maxBytes)
    return
  } catch (error: unknown) {
    if (!(error instanceof SampleError && error.code === 'SAMPLE_ELSEWHERE')) throw error
  }
  const zip = { ...request, query: { file: 1 }, contentType: /^application\/octet-stream\b/i }
  yield* unzipped(streamFromCrits(server, target, zip, maxBytes + ZIP_BYTES_MAX), {
    maxBytes,
    tmpDir: tmpDir || tmpdir(),
    signal,
  })
}
