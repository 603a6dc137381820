/**
 * Why an archive could not be read:
 * - `unknown-format`: it is neither zip nor tar nor tar in gzip or bzip2;
 * - `corrupt`: it is damaged or truncated;
 * - `limit`: it has more entries or more bytes than allowed;
 * - `entry-too-large`: one entry is larger than allowed; the others can still be read;
 * - `password`: it is encrypted, with another password than the one given, or none was given;
 * - `unsupported`: it is compressed or encrypted in a way that is not supported; the message names it.
 */
export type ArchiveErrorCode = 'unknown-format' | 'corrupt' | 'limit' | 'entry-too-large' | 'password' | 'unsupported'

/** An archive that cannot be read to its end. `entries` is the number of files that were found before. */
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
