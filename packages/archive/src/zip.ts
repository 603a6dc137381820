// Reads zip archives through the directory at their end, each entry from where it lies: of a file, only the piece that is read is in memory.
import { readAt, sizeOf } from '@cuckoo-distributed/staging'
import {
  configure,
  ERR_ENCRYPTED,
  ERR_INVALID_PASSWORD,
  ERR_UNSUPPORTED_ENCRYPTION,
  type FileEntry,
  Reader,
  ZipReader,
} from '@zip.js/zip.js/lib/zip-core-custom.js'
import { ArchiveError } from './archive-error.js'
import { type ArchiveEntry, type ArchiveLimits, type ArchiveOptions, limitsOf, type OpenFile } from './entry.js'
import { entryName } from './entry-name.js'

/** What an iteration knows of itself. */
interface State extends Required<ArchiveLimits> {
  /** Files so far. */
  entries: number
  /** Bytes that were unpacked. */
  bytes: number
  readonly password: string | undefined
  readonly signal: AbortSignal | undefined
}

/** Bytes that are read at a time at most: the directory, which takes some 120 bytes for a file of CAPE's. */
const READ_BYTES_MAX = 32 * 1_048_576

const STORED = 0
const DEFLATED = 8

/** Methods by number (APPNOTE.TXT, 4.4.5). CAPE of July 2021 to October 2025 wrote LZMA: kevoreilly/CAPEv2:lib/cuckoo/common/utils.py. */
const METHODS: Readonly<Record<number, string>> = {
  1: 'Shrink',
  6: 'Implode',
  9: 'Deflate64',
  12: 'bzip2',
  14: 'LZMA',
  20: 'Zstandard',
  93: 'Zstandard',
  95: 'XZ',
  98: 'PPMd',
}

/** Reads where it is asked to. */
class FileReader extends Reader<OpenFile> {
  readonly #fd: number

  constructor(file: OpenFile, size: number) {
    super(file)
    this.#fd = file.fd
    this.size = size
  }

  override async readUint8Array(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = Math.max(0, Math.min(length, this.size - offset))
    if (bytes > READ_BYTES_MAX) {
      throw new ArchiveError('limit', 0, `its directory has ${bytes} bytes, ${READ_BYTES_MAX} are allowed`)
    }
    return readAt(this.#fd, offset, bytes)
  }
}

/**
 * What `openArchive` does, for a zip: plain, with traditional encryption (ZipCrypto) or AES; stored or deflated. A file that
 * is not read costs nothing.
 * @throws {ArchiveError} see `ArchiveErrorCode`; the reason of `signal`
 */
export async function* openZip(
  file: OpenFile,
  options: ArchiveOptions = {},
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const { password, signal } = options
  const state: State = { ...limitsOf(options), entries: 0, bytes: 0, password, signal }
  signal?.throwIfAborted()
  // Without threads nothing is won by having one file wait for another.
  configure({ useWebWorkers: false, maxWorkers: 10_000 })
  try {
    const zip = new ZipReader(new FileReader(file, await sizeOf(file.fd)))
    // Names are never used as paths.
    for await (const entry of zip.getEntriesGenerator({ filenameValidation: 'tolerant' })) {
      signal?.throwIfAborted()
      if (entry.directory || entry.symlink) continue
      if (++state.entries > state.maxEntries) {
        throw new ArchiveError('limit', state.maxEntries, `more than ${state.maxEntries} files`)
      }
      yield toEntry(entry, state)
    }
  } catch (error: unknown) {
    throw toArchiveError(error, state)
  }
}

function toEntry(entry: FileEntry, state: State): ArchiveEntry {
  const name = Buffer.from(entry.rawFilename)
  return {
    name: entryName(name),
    path: name.toString('latin1'),
    size: entry.uncompressedSize,
    stream: () => content(entry, state),
  }
}

async function* content(entry: FileEntry, state: State): AsyncGenerator<Buffer, void, undefined> {
  const { maxTotalBytes, password, signal } = state
  requireReadable(entry, state)
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const options = { checkSignature: true, ...(password !== undefined && password !== '' && { password }) }
  const written = entry.getData(writable, options)
  // What is refused before anything was written leaves the stream as it was.
  written.catch((error: unknown) => writable.abort(error).catch(() => undefined))
  let bytes = 0
  try {
    for await (const chunk of readable) {
      signal?.throwIfAborted()
      bytes += chunk.length
      state.bytes += chunk.length
      if (bytes > entry.uncompressedSize) throw new Error('a file is longer than the directory says')
      if (state.bytes > maxTotalBytes) {
        throw new ArchiveError('limit', state.entries, `it unpacks to more than ${maxTotalBytes} bytes`)
      }
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    }
    await written
  } catch (error: unknown) {
    throw toArchiveError(error, state)
  } finally {
    // The file may be closed now.
    await written.catch(() => undefined)
  }
}

function requireReadable({ compressionMethod, uncompressedSize }: FileEntry, { entries, maxEntryBytes }: State): void {
  if (compressionMethod !== STORED && compressionMethod !== DEFLATED) {
    const name = METHODS[compressionMethod] ?? 'an unknown method'
    const text = `a file is compressed with ${name} (${compressionMethod}), which is not supported`
    throw new ArchiveError('unsupported', entries, text)
  }
  if (uncompressedSize > maxEntryBytes) {
    const text = `a file of ${uncompressedSize} bytes, ${maxEntryBytes} are allowed`
    throw new ArchiveError('entry-too-large', entries, text)
  }
}

function toArchiveError(error: unknown, { signal, entries }: State): unknown {
  if (signal?.aborted) return signal.reason
  if (error instanceof ArchiveError) return error
  const reason = error instanceof Error ? error.message : String(error)
  switch (reason) {
    case ERR_ENCRYPTED:
      return new ArchiveError('password', entries, 'it is encrypted and needs a password', { cause: error })
    case ERR_INVALID_PASSWORD:
      return new ArchiveError('password', entries, 'it is encrypted with another password', { cause: error })
    case ERR_UNSUPPORTED_ENCRYPTION:
      return new ArchiveError('unsupported', entries, 'it is encrypted in a way that is not supported', {
        cause: error,
      })
    default:
      return new ArchiveError('corrupt', entries, `damaged or truncated: ${reason}`, { cause: error })
  }
}
