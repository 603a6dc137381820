// Archives of a sandbox: downloaded at full speed to the disk, then read entry by entry.
import { type ArchiveEntry, ArchiveError, openArchive } from '@cuckoo-distributed/archive'
import { ServiceError } from '@cuckoo-distributed/core'
import type { Download } from '@cuckoo-distributed/sandbox-client'
import { type StagedFile, stageArchive } from '@cuckoo-distributed/staging'
import type { Analysis } from './analysis.js'
import { download, isIncomplete } from './calls.js'

const ARCHIVE_BYTES_MAX = 16 * 1024 ** 3

/** What fails so that another try may do is tried again at once; a second failure counts. */
const DOWNLOADS = 2

/**
 * What `ask` gets, kept on the disk. `none`: there is nothing of the kind; undefined: the task is gone. `mayPass` tells which
 * failures may pass; default: a cut answer.
 * Throws HttpError, StagingError, ServerAwayError.
 */
export async function fetchFile(
  analysis: Analysis,
  ask: (signal: AbortSignal) => Promise<Download>,
  mayPass: (error: unknown) => boolean = isIncomplete,
): Promise<StagedFile | 'none' | undefined> {
  const { context, tmpDir } = analysis
  const signal = context.working
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await download(analysis, async () => {
        const response = await ask(signal)
        if (response === undefined || response === 'none') return response
        const limits = { maxBytes: ARCHIVE_BYTES_MAX, signal }
        return stageArchive(response.stream(ARCHIVE_BYTES_MAX), tmpDir, limits)
      })
    } catch (error: unknown) {
      if (attempt === DOWNLOADS || !mayPass(error)) throw error
      context.log.info({ err: error }, 'the download is incomplete; trying it again')
    }
  }
}

/** Gives each file of an archive to `take`, second names included. Throws ArchivePasswordError, ArchiveError, what `take` throws. */
export async function eachEntry(
  { config, context }: Analysis,
  archive: StagedFile,
  take: (entry: ArchiveEntry) => Promise<void>,
): Promise<void> {
  const options = { password: config.ArchivePassword, signal: context.working }
  try {
    for await (const entry of openArchive(archive, options)) await take(entry)
  } catch (error: unknown) {
    throw error instanceof ArchiveError && error.code === 'password' ? new ArchivePasswordError(error) : error
  }
}

/** The sandbox encrypts all its archives with the same password. */
class ArchivePasswordError extends ServiceError {
  readonly sharedCause = true

  constructor(cause: ArchiveError) {
    const advice = 'set "ArchivePassword" to the "zip_pwd" in the [zipped_download] section of CAPE\'s configuration'
    super('ARCHIVE_PASSWORD', `an archive of the sandbox cannot be decrypted: ${advice}`, { cause })
  }
}
