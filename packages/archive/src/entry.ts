// What every kind of archive gives and takes.

/** One file of an archive. */
export interface ArchiveEntry {
  /** Its name, fit to be shown and sent; several entries may have the same. */
  readonly name: string
  /** Bytes; 0 for a second name. */
  readonly size: number
  /** Which entry it is, within the archive. */
  readonly path: string
  /** For a second name of an earlier entry (a hard link in a tar archive): the path of that one, whose content it has. */
  readonly secondNameOf?: string | undefined
  /**
   * Its bytes, once, before the next entry is asked for; what is not read is skipped. A chunk is valid until the next one is asked for.
   * @throws {ArchiveError} `entry-too-large`, `corrupt`, `password` or `unsupported`
   */
  stream(): AsyncIterable<Buffer>
}

/** Guards against archives that unpack to more than anybody wants. */
export interface ArchiveLimits {
  /** Regular files. Default 100,000. */
  readonly maxEntries?: number
  /** Bytes of one file; a larger one is listed, but cannot be read. Default 1 GiB. */
  readonly maxEntryBytes?: number
  /** Bytes of the unpacked archive, of a zip only those that are read. Default 16 GiB. */
  readonly maxTotalBytes?: number
}

export interface ArchiveOptions extends ArchiveLimits {
  /** For the encrypted entries of a zip. Default: none, and they cannot be read. */
  readonly password?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** An open file; it must stay open until the iteration has ended. */
export interface OpenFile {
  readonly fd: number
}

const GIB = 1_073_741_824

/** The limits, with their defaults. */
export function limitsOf(limits: ArchiveLimits): Required<ArchiveLimits> {
  const { maxEntries = 100_000, maxEntryBytes = GIB, maxTotalBytes = 16 * GIB } = limits
  return { maxEntries, maxEntryBytes, maxTotalBytes }
}
