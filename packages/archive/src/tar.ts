// Reads tar archives, plain or in gzip or bzip2, while they are unpacked.
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { readFile } from '@cuckoo-distributed/staging'
import { type Extract, extract, type Header } from 'tar-stream'
import { ArchiveError } from './archive-error.js'
import { bunzip2 } from './bunzip2.js'
import { EndOfTar } from './end-of-tar.js'
import { type ArchiveEntry, type ArchiveOptions, limitsOf, type OpenFile } from './entry.js'
import { entryName } from './entry-name.js'

export type TarCompression = 'none' | 'gzip' | 'bzip2'

/** What an iteration knows of itself. */
interface State {
  /** Regular files so far, second names included. */
  entries: number
  readonly end: EndOfTar
  readonly signal: AbortSignal | undefined
}

/** Latin-1 keeps the bytes of names as they are; `filenameEncoding` is missing in tar-stream's types. */
const TAR_OPTIONS = { filenameEncoding: 'latin1', highWaterMark: 65_536 }

/** What `openArchive` does, for a tar archive. */
export async function* openTar(
  file: OpenFile,
  compression: TarCompression,
  options: ArchiveOptions,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const { signal } = options
  const { maxEntries, maxEntryBytes, maxTotalBytes } = limitsOf(options)
  const state: State = { entries: 0, end: new EndOfTar(), signal }
  const tar = extract(TAR_OPTIONS).on('entry', header => state.end.onEntry(header))
  const pumped = pump(unpacked(file, compression, signal), tar, maxTotalBytes, state)
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

function unpacked(
  { fd }: OpenFile,
  compression: TarCompression,
  signal: AbortSignal | undefined,
): AsyncIterable<Buffer> {
  if (compression === 'bzip2') return bunzip2(fd, signal)
  if (compression === 'none') return readFile(fd, signal)
  return pipeline(readFile(fd, signal), createGunzip(), () => undefined)
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
