// Reads the archives that sandboxes send, told apart by their first bytes: tar, plain or in gzip or bzip2, and zip.
import { readHead } from '@cuckoo-distributed/staging'
import { ArchiveError } from './archive-error.js'
import type { ArchiveEntry, ArchiveOptions, OpenFile } from './entry.js'
import { openTar, type TarCompression } from './tar.js'
import { openZip } from './zip.js'

const HEAD_BYTES = 512

/**
 * The regular files of an archive, in their order. Bytes behind the end of a tar archive are ignored.
 * @throws {ArchiveError} see `ArchiveErrorCode`; the reason of `signal`
 */
export async function* openArchive(
  file: OpenFile,
  options: ArchiveOptions = {},
): AsyncGenerator<ArchiveEntry, void, undefined> {
  options.signal?.throwIfAborted()
  const format = formatOf(await readHead(file.fd, HEAD_BYTES))
  if (format === 'zip') yield* openZip(file, options)
  else yield* openTar(file, format, options)
}

function formatOf(head: Buffer): TarCompression | 'zip' {
  const starts = (...bytes: number[]): boolean =>
    head.length >= bytes.length && bytes.every((byte, index) => head[index] === byte)
  if (head.length === 0) throw new ArchiveError('unknown-format', 0, 'the archive is empty (0 bytes)')
  if (starts(0x42, 0x5a, 0x68)) return 'bzip2'
  if (starts(0x1f, 0x8b)) return 'gzip'
  if (head.toString('latin1', 257, 262) === 'ustar') return 'none'
  if (head.length === HEAD_BYTES && head.every(byte => byte === 0)) return 'none'
  if (starts(0x50, 0x4b)) return 'zip'
  throw new ArchiveError('unknown-format', 0, 'neither zip nor tar nor tar in gzip or bzip2')
}
