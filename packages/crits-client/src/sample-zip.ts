/** The ZIP that CRITs makes of a sample: one entry, encrypted in the old way of PKWARE (`crits/crits:crits/core/data_tools.py`). */

import { type ArchiveEntry, openZip } from '@cuckoo-distributed/archive'
import { BodyTooLargeError } from '@cuckoo-distributed/http'
import { readHead, type StagedFile, stageArchive } from '@cuckoo-distributed/staging'
import { SampleError } from './errors.js'

/** CRITs' default for its option `zip7_password`. */
const PASSWORD = 'infected'

const SHOWN_CHARS = 200

export interface UnzipOptions {
  /** Limit of the content. */
  readonly maxBytes: number
  readonly tmpDir: string
  readonly signal: AbortSignal
}

/**
 * The content of the one entry. The ZIP goes through a file without a name, as its directory is at its end.
 *
 * @throws SampleError SAMPLE_EMPTY, SAMPLE_TOO_LARGE, SAMPLE_UNREADABLE; StagingError
 */
export async function* unzipped(
  chunks: AsyncIterable<Buffer>,
  { maxBytes, tmpDir, signal }: UnzipOptions,
): AsyncGenerator<Buffer, void, undefined> {
  await using file = await stageArchive(limited(chunks, maxBytes), tmpDir, {
    maxBytes: Number.MAX_SAFE_INTEGER,
    signal,
  })
  try {
    const entry = await onlyEntry(file, signal)
    if (entry.size > maxBytes) throw tooLarge(maxBytes)
    yield* entry.stream()
  } catch (error: unknown) {
    signal.throwIfAborted()
    throw error instanceof SampleError ? error : await noZip(file, error)
  }
}

async function onlyEntry(file: StagedFile, signal: AbortSignal): Promise<ArchiveEntry> {
  const limits = { maxEntryBytes: Number.MAX_SAFE_INTEGER, maxTotalBytes: Number.MAX_SAFE_INTEGER }
  const entries: ArchiveEntry[] = []
  for await (const entry of openZip(file, { ...limits, maxEntries: 1, password: PASSWORD, signal })) entries.push(entry)
  const [entry] = entries
  if (entry) return entry
  throw new SampleError('SAMPLE_UNREADABLE', 'the ZIP of the sample holds no file')
}

/** With status 200, CRITs sends a text when there is no content, or when the ZIP could not be made. */
async function noZip(file: StagedFile, cause: unknown): Promise<SampleError> {
  const text = (await readHead(file.fd, SHOWN_CHARS)).toString('latin1')
  if (text.startsWith('No files found!')) return new SampleError('SAMPLE_EMPTY', 'CRITs has no content for the sample')
  const why = cause instanceof Error ? cause.message : String(cause)
  const told = `the ZIP of the sample cannot be read: ${why} (CRITs' option zip7_password must be "${PASSWORD}")`
  return new SampleError('SAMPLE_UNREADABLE', told, { cause })
}

function tooLarge(maxBytes: number): SampleError {
  return new SampleError('SAMPLE_TOO_LARGE', `the sample is larger than the limit of ${maxBytes} bytes`)
}

/** A ZIP above its limit is too large a sample. */
async function* limited(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* chunks
  } catch (error: unknown) {
    throw error instanceof BodyTooLargeError ? tooLarge(maxBytes) : error
  }
}
