// Reads the archive of dropped files that Cuckoo sends: tar, plain or in gzip or bzip2, told apart by the first bytes.
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { readFile, readHead } from '@cuckoo-distributed/staging'
import { type Extract, extract, type Header } from 'tar-stream'
import { ArchiveError } from './archive-error.js'
import { bunzip2 } from './bunzip2.js'
import { EndOfTar } from './end-of-tar.js'
import { entryName } from './entry-name.js'

/** One dropped file. */
export interface ArchiveEntry {
  /** Its name, fit to be shown and sent; several entries may have the same. */
  readonly name: string
  /** Bytes; 0 for a second name. */
  readonly size: number
  /** Which entry it is, within the archive. */
  readonly path: string
  /** For a second name of an earlier entry (a hard link): the path of that one, whose content it has. */
  readonly secondNameOf?: string | undefined
  /**
   * Its bytes, once, before the next entry is asked for; what is not read is skipped. A chunk is valid until the next one is asked for.
   * @throws {ArchiveError} `entry-too-large`, or `corrupt`
   */
  stream(): AsyncIterable<Buffer>
}

/** Guards against archives that unpack to more than anybody wants. */
export interface ArchiveLimits {
  /** Regular files. Default 100,000. */
  readonly maxEntries?: number
  /** Bytes of one file; a larger one is listed, but cannot be read. Default 1 GiB. */
  readonly maxEntryBytes?: number
  /** Bytes of the unpacked archive. Default 16 GiB. */
  readonly maxTotalBytes?: number
}

/** An open file; it must stay open until the iteration has ended. */
export interface OpenFile {
  readonly fd: number
}

/** What an iteration knows of itself. */
interface State {
  /** Regular files so far, second names included. */
  entries: number
  readonly end: EndOfTar
  readonly signal: AbortSignal | undefined
}

/** Latin-1 keeps the bytes of names as they are; `filenameEncoding` is missing in tar-stream's types. */
const TAR_OPTIONS = { filenameEncoding: 'latin1', highWaterMark: 65_536 }
const GIB = 1_073_741_824
const HEAD_BYTES = 512

/**
 * The regular files of an archive, in their order. Bytes behind the end of a tar archive are ignored.
 * @throws {ArchiveError} see `ArchiveErrorCode`; the reason of `signal`
 */
export async function* openArchive(
  file: OpenFile,
  options: ArchiveLimits & { readonly signal?: AbortSignal } = {},
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const { maxEntries = 100_000, maxEntryBytes = GIB, maxTotalBytes = 16 * GIB, signal } = options
  signal?.throwIfAborted()
  const state: State = { entries: 0, end: new EndOfTar(), signal }
  const tar = extract(TAR_OPTIONS).on('entry', header => state.end.onEntry(header))
  const pumped = pump(await unpacked(file, signal), tar, maxTotalBytes, state)
  try {
    const paths = new Set<string>()
    for await (const entry of tar) {
      const { header } = entry
      const isWanted = isFile(header) || isSecondName(header, paths)
      if (isWanted && ++state.entries > maxEntries) {
        throw new ArchiveError('limit', maxEntries, `more than ${maxEntries} files`)
      }
      // A folder has no content, but when its header says so tar-stream never ends the stream of it.
      if (header.type === 'directory') continue
      // tar-stream gives up the whole archive when the iteration of one entry is left early, so the rest of it is always read.
      const chunks = entry[Symbol.asyncIterator]()
      if (isFile(header)) paths.add(header.name)
      if (isWanted) yield toEntry(header, chunks, maxEntryBytes, state)
      signal?.throwIfAborted()
      while ((await chunks.next()).done !== true);
    }
  } catch (error: unknown) {
    const isBehindEnd = state.end.isReached && !signal?.aborted && !(error instanceof ArchiveError)
    if (!isBehindEnd) throw toArchiveError(error, state)
  } finally {
    tar.destroy(null)
    await pumped
  }
}

/**
 * Moves the unpacked bytes into the tar parser, which hands errors on to its reader. The parser holds three chunks at most: one that it parses, one
 * that waits in an entry, and one that the reader of the entry has. (Only an extended header of more than 64 kB would take longer; no name is so long.)
 */
async function pump(bytes: AsyncIterable<Buffer>, tar: Extract, maxBytes: number, state: State): Promise<void> {
  let total = 0
  try {
    for await (const chunk of bytes) {
      total += chunk.length
      if (total > maxBytes) throw new ArchiveError('limit', state.entries, `it unpacks to more than ${maxBytes} bytes`)
      if (tar.destroyed) return
      state.end.onChunk(chunk)
      if (!tar.write(chunk)) await drained(tar)
    }
    tar.end(null)
  } catch (error: unknown) {
    tar.destroy(error instanceof Error ? error : new Error(String(error)))
  }
}

function drained(tar: Extract): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      tar.off('drain', done)
      tar.off('close', done)
      resolve()
    }
    tar.on('drain', done)
    tar.on('close', done)
  })
}

async function unpacked(file: OpenFile, signal: AbortSignal | undefined): Promise<AsyncIterable<Buffer>> {
  const head = await readHead(file.fd, HEAD_BYTES)
  const starts = (...bytes: number[]): boolean =>
    head.length >= bytes.length && bytes.every((byte, index) => head[index] === byte)
  if (head.length === 0) throw new ArchiveError('unknown-format', 0, 'the archive is empty (0 bytes)')
  if (starts(0x42, 0x5a, 0x68)) return bunzip2(file.fd, signal)
  if (starts(0x1f, 0x8b)) return pipeline(readFile(file.fd, signal), createGunzip(), () => undefined)
  if (head.toString('latin1', 257, 262) === 'ustar') return readFile(file.fd, signal)
  if (head.length === HEAD_BYTES && head.every(byte => byte === 0)) return readFile(file.fd, signal)
  if (starts(0x50, 0x4b)) throw new ArchiveError('zip', 0, 'zip is not supported')
  throw new ArchiveError('unknown-format', 0, 'neither tar nor tar in gzip or bzip2')
}

const isFile = (header: Header): boolean => header.type === 'file' || header.type === 'contiguous-file'

/** A hard link, as Python's tarfile writes a file that it has met under another name. */
const isSecondName = ({ type, linkname }: Header, paths: ReadonlySet<string>): boolean =>
  type === 'link' && typeof linkname === 'string' && paths.has(linkname)

function toEntry(header: Header, chunks: AsyncIterator<unknown>, maxBytes: number, state: State): ArchiveEntry {
  const size = header.size
  return {
    name: entryName(rawName(header)),
    path: header.name,
    ...(header.type === 'link' && { secondNameOf: header.linkname ?? '' }),
    size,
    stream: async function* () {
      if (size > maxBytes)
        throw new ArchiveError('entry-too-large', state.entries, `a file of ${size} bytes, ${maxBytes} are allowed`)
      try {
        for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
          if (Buffer.isBuffer(next.value)) yield next.value
        }
      } catch (error: unknown) {
        throw toArchiveError(error, state)
      }
    },
  }
}

/** The bytes of the name: read as Latin-1, but for names in pax headers, which tar-stream has decoded. */
function rawName(header: Header): Buffer {
  const pax = 'pax' in header && typeof header.pax === 'object' && header.pax !== null && 'path' in header.pax
  return Buffer.from(header.name, pax ? 'utf8' : 'latin1')
}

function toArchiveError(error: unknown, state: State): unknown {
  if (state.signal?.aborted) return state.signal.reason
  if (error instanceof ArchiveError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new ArchiveError('corrupt', state.entries, `damaged or truncated: ${reason}`, { cause: error })
}
