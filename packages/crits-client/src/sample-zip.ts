/** The ZIP that CRITs makes of a sample: one entry, encrypted in the old way of PKWARE (`crits/crits:crits/core/data_tools.py`). */

import { read } from 'node:fs'
import { promisify } from 'node:util'
import { BodyTooLargeError } from '@cuckoo-distributed/http'
import { readHead, type StagedFile, stageArchive } from '@cuckoo-distributed/staging'
import { type Entry, type FileEntry, Reader, ZipReader } from '@zip.js/zip.js/lib/zip-core-custom.js'
import { SampleError } from './errors.js'

/** CRITs' default for its option `zip7_password`. */
const PASSWORD = 'infected'

const SHOWN_CHARS = 200

const readAt = promisify(read)

export interface UnzipOptions {
  /** Limit of the content. */
  readonly maxBytes: number
  readonly tmpDir: string
  readonly signal: AbortSignal
}

/** Reads where it is asked to, so that the ZIP is never in memory. */
class FileReader extends Reader<StagedFile> {
  readonly #fd: number

  constructor(file: StagedFile) {
    super(file)
    this.#fd = file.fd
    this.size = file.size
  }

  override async readUint8Array(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)))
    await readAt(this.#fd, bytes, 0, bytes.length, offset)
    return bytes
  }
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
  const entry = await onlyEntry(file)
  if (entry.uncompressedSize > maxBytes) throw tooLarge(maxBytes)
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const options = { password: PASSWORD, checkSignature: true, useWebWorkers: false, signal }
  const written = entry.getData(writable, options)
  written.catch(() => undefined) // whoever reads meets the error
  let bytes = 0
  try {
    for await (const chunk of readable) {
      bytes += chunk.length
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    }
    await written
  } catch (error: unknown) {
    signal.throwIfAborted()
    throw error instanceof SampleError ? error : unreadable(error)
  }
}

async function onlyEntry(file: StagedFile): Promise<FileEntry> {
  let entries: Entry[]
  try {
    entries = await new ZipReader(new FileReader(file), { useWebWorkers: false }).getEntries()
  } catch (error: unknown) {
    throw await noZip(file, error)
  }
  const [entry] = entries
  if (entries.length === 1 && entry && !entry.directory) return entry
  throw new SampleError('SAMPLE_UNREADABLE', `the ZIP of the sample has ${entries.length} entries in place of one file`)
}

/** With status 200, CRITs sends a text when there is no content, or when the ZIP could not be made. */
async function noZip(file: StagedFile, cause: unknown): Promise<SampleError> {
  const text = (await readHead(file.fd, SHOWN_CHARS)).toString('latin1')
  if (text.startsWith('No files found!')) return new SampleError('SAMPLE_EMPTY', 'CRITs has no content for the sample')
  return unreadable(cause)
}

function unreadable(cause: unknown): SampleError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const text = `the ZIP of the sample cannot be read: ${why} (CRITs' option zip7_password must be "${PASSWORD}")`
  return new SampleError('SAMPLE_UNREADABLE', text, { cause })
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
