/** One file on its way to CRITs. */

import { multipartUpload, NetworkError, StatusError, type Upload } from '@cuckoo-distributed/http'
import type { Answer } from './answer.js'
import { CritsStatusError } from './errors.js'
import { uploadName } from './file-name.js'
import type { CritsTarget } from './target.js'

/** A file to upload. */
export interface SampleFile {
  readonly name: string
  /** 32 lower-case hex digits; the file's name where `name` is unusable. */
  readonly md5: string
  /** Bytes that `open` yields. */
  readonly size: number
  open(): AsyncIterable<Buffer>
}

export interface UploadResult {
  /** Whether CRITs has the file now, or had it before. */
  readonly stored: boolean
  /** Absent where nothing was stored, or not as a sample (CRITs keeps PCAPs elsewhere): no relationship is possible. */
  readonly id?: string
  /** What CRITs found wrong, or why nothing was sent. */
  readonly complaint?: string
  /** It is the file that is wrong: no other source would help. */
  readonly isFileRefused?: true
}

/** Django's default for `DATA_UPLOAD_MAX_MEMORY_SIZE`, which CRITs of 2019 does not raise. */
const BODY_BYTES_MAX = 2_621_440

/** Stored as "File Upload - cuckoo_distributed": CRITs' service recognises what the pipeline itself has uploaded. */
const UPLOAD_METHOD = 'cuckoo_distributed'

/**
 * The same for every new file: CRITs appends a differing text to that of a known sample, and fails with 500 when there is
 * none to append (`crits/crits:crits/samples/handlers.py`).
 */
const SAMPLE_DESCRIPTION = 'Dropped during an analysis by Cuckoo'
const PCAP_DESCRIPTION = 'Network traffic of an analysis by Cuckoo'
const SCREENSHOT_DESCRIPTION = 'Screen during an analysis by Cuckoo'

/** Why CRITs would not take the file, known without asking it. */
export function refusedUnasked(source: string, { size }: SampleFile): UploadResult | undefined {
  if (source === '') return { stored: false, complaint: 'the message names no source to file it under' }
  return size === 0 ? { stored: false, complaint: 'the file is empty', isFileRefused: true } : undefined
}

/** `description`: that of the sample as CRITs has it. */
export function sampleBody(file: SampleFile, source: string, description?: string): Upload {
  // An empty text appends a line break to that of a known sample.
  const fields = { upload_type: 'file', file_format: 'raw', ...origin(source, description || SAMPLE_DESCRIPTION) }
  return uploadBody(file, fields)
}

/** The fields that relate it at once are left out, as CRITs of 2019 fails at them: `crits/crits:crits/pcaps/handlers.py`. */
export function pcapBody(file: SampleFile, source: string): Upload {
  // CRITs takes ASCII names only: `crits/crits:crits/pcaps/api.py`.
  return uploadBody(file, origin(source, PCAP_DESCRIPTION), `${file.md5}.pcap`)
}

/** `crits/crits:crits/screenshots/api.py` */
export function screenshotBody(
  { objectId: oid, objectType: otype }: CritsTarget,
  file: SampleFile,
  source: string,
): Upload {
  return uploadBody(file, { upload_type: 'screenshot', oid, otype, ...origin(source, SCREENSHOT_DESCRIPTION) })
}

function origin(source: string, description: string): Record<string, string> {
  return { source, method: UPLOAD_METHOD, description }
}

function uploadBody(file: SampleFile, fields: Readonly<Record<string, string>>, name = file.name): Upload {
  const { md5, size } = file
  const part = { field: 'filedata', filename: uploadName(name, md5), size, open: () => file.open() }
  return multipartUpload({ fields, file: part })
}

export function toUploadResult({ returnCode, message, id }: Answer): UploadResult {
  return {
    stored: returnCode === 0 || id !== undefined,
    ...(id !== undefined && { id }),
    ...((returnCode !== 0 || id === undefined) && { complaint: message }),
  }
}

export function tooLarge({ size }: SampleFile): UploadResult {
  const complaint = `${size} bytes, above this CRITs' limit (DATA_UPLOAD_MAX_MEMORY_SIZE)`
  return { stored: false, complaint, isFileRefused: true }
}

/** The answer says that the request is too large. */
export function isTooLarge(error: unknown, { contentLength }: Upload): boolean {
  if (contentLength <= BODY_BYTES_MAX) return false
  return (
    (error instanceof StatusError && error.status === 413) ||
    (error instanceof CritsStatusError && error.status === 500)
  )
}

/** CRITs closes while a large request is still sent, and its answer is lost now and then: seen with CRITs of 2019. */
export function mayBeTooLarge(error: unknown, { contentLength }: Upload): boolean {
  return contentLength > BODY_BYTES_MAX && error instanceof NetworkError && error.bodyBegun
}
