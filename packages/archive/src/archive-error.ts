/**
 * Why an archive could not be read:
 * - `zip`: it is a zip file, as CAPE sends them; they are not supported;
 * - `unknown-format`: it is neither tar nor tar in gzip or bzip2;
 * - `corrupt`: it is damaged or truncated;
 * - `limit`: it has more entries or more bytes than allowed;
 * - `entry-too-large`: one entry is larger than allowed; the others can still be read.
 */
export type ArchiveErrorCode = 'zip' | 'unknown-format' | 'corrupt' | 'limit' | 'entry-too-large'

/** An archive of dropped files that cannot be read to its end. `entries` is the number of files that were found before. */
export class ArchiveError extends Error {
  readonly code: ArchiveErrorCode
  readonly entries: number

  constructor(code: ArchiveErrorCode, entries: number, message: string, options?: ErrorOptions) {
    super(`archive: ${message} (after ${entries} files)`, options)
    this.name = 'ArchiveError'
    this.code = code
    this.entries = entries
  }
}
