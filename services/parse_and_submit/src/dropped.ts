// Dropped files: downloaded at full speed to the disk, then read entry by entry, uploaded and related to the sample.
import { ArchiveError, openArchive } from '@cuckoo-distributed/archive'
import { ServiceError } from '@cuckoo-distributed/core'
import type { SampleFile } from '@cuckoo-distributed/crits-client'
import { ServerAwayError } from '@cuckoo-distributed/http'
import { type StagedFile, stageArchive, stageEntry } from '@cuckoo-distributed/staging'
import { type Analysis, mayBeSample, type Round, WrongSampleError } from './analysis.js'
import { download, isDoubtful, isIncomplete, tell } from './calls.js'
import { PROGRESS, type Progress } from './notes.js'
import { readReport, whyMissing } from './report.js'
import { isHash, type StoredFiles } from './stored-files.js'
import { type Uploaded, uploadFile } from './upload.js'
import { dueAt, failed, isDue, settled } from './upload-tries.js'

const ARCHIVE_BYTES_MAX = 16 * 1024 ** 3

/** A dropped file of this size stays in memory, a larger one goes through the disk. */
const MEMORY_BYTES = 1024 ** 2

/** A cut download is tried again at once; a second cut is a failure of the message. */
const DOWNLOADS = 2

/** So many files without a row fit into the header that holds the progress. */
const MISSING_MAX = 900

/**
 * Uploads every dropped file once and adds a `file_added` row for every name and MD5 that CRITs has then. A file that
 * CRITs refuses is named in CRITs' log and does not stop the others.
 *
 * @returns false when files are left that are to be tried again later (`Progress.due`)
 * @throws TaskGoneError, WrongSampleError, ServiceError (NO_REPORT), ArchivePasswordError, UploadsRefusedError, HttpError,
 *   ArchiveError, StagingError
 */
export async function submitDropped(round: Round): Promise<boolean> {
  let { stored } = round
  if (!round.isSampleKnown) {
    const asked = await requireTask(round)
    stored ??= asked
  }
  const downloaded = await downloadArchive(round)
  const pass = new DroppedPass(round)
  if (downloaded === 'none') return pass.end()
  await using archive = downloaded
  const memory = Buffer.allocUnsafeSlow(MEMORY_BYTES)
  const options = { password: round.config.ArchivePassword, signal: round.context.working }
  try {
    for await (const entry of openArchive(archive, options)) {
      if (entry.secondNameOf !== undefined) {
        pass.takeName(entry.name, entry.secondNameOf)
        continue
      }
      if (isHash(entry.name)) stored ??= (await readReport(round)).rows.stored
      await using staged = await stageEntry(entry, round.tmpDir, memory)
      const name = stored?.droppedName(entry.name) ?? entry.name
      await pass.take({ name, size: staged.size, md5: staged.md5, open: () => staged.open() }, entry.path)
    }
  } catch (error: unknown) {
    throw error instanceof ArchiveError && error.code === 'password' ? new ArchivePasswordError(error) : error
  }
  return await pass.end()
}

/** The sandbox encrypts all its archives with the same password. */
class ArchivePasswordError extends ServiceError {
  readonly sharedCause = true

  constructor(cause: ArchiveError) {
    const advice = 'set "ArchivePassword" to the "zip_pwd" in the [zipped_download] section of CAPE\'s configuration'
    super('ARCHIVE_PASSWORD', `the archive of dropped files cannot be decrypted: ${advice}`, { cause })
  }
}

/**
 * An instance that parses only dropped files sees no report; whose files they are is known from the task as well. Of a file
 * that CAPE took out of the sample only the report says where it comes from.
 */
async function requireTask(analysis: Analysis): Promise<StoredFiles | undefined> {
  const { task, context, cuckoo } = analysis
  const view = await download(analysis, () => cuckoo.client.viewTask(task.taskId, context.working))
  if (!view?.md5 || mayBeSample(analysis, view.md5)) return undefined
  const { rows } = await readReport(analysis)
  if (!rows.target?.md5) throw new WrongSampleError(task, view.md5)
  return rows.stored
}

async function downloadArchive(analysis: Analysis): Promise<StagedFile | 'none'> {
  const { task, context, cuckoo, tmpDir } = analysis
  const signal = context.working
  for (let attempt = 1; ; attempt += 1) {
    try {
      const staged = await download(analysis, async () => {
        const response = await cuckoo.client.dropped(task.taskId, { compression: 'gz' }, signal)
        if (response === undefined || response === 'none') return response
        const limits = { maxBytes: ARCHIVE_BYTES_MAX, signal }
        return stageArchive(response.stream(ARCHIVE_BYTES_MAX), tmpDir, limits)
      })
      if (staged) return staged
      throw await whyMissing(analysis, 'archive of dropped files')
    } catch (error: unknown) {
      if (attempt === DOWNLOADS || !isIncomplete(error)) throw error
      context.log.info({ err: error }, 'the archive is incomplete; downloading it again')
    }
  }
}

/** Whether CRITs has a file, as far as it is known. */
type Fate = 'stored' | 'missing' | 'open'

/** One pass over an archive. Files that were done before are read again for their rows, but not sent. */
class DroppedPass {
  readonly #round: Round
  readonly #rows = new Set<string>()
  readonly #fates = new Map<string, Fate>()
  /** By path in the archive. */
  readonly #md5s = new Map<string, string>()
  #progress: Progress
  #files = 0
  #tried = 0
  #sent = 0
  #leftOut = 0

  constructor(round: Round) {
    this.#round = round
    this.#progress = round.context.headers.notes.get(PROGRESS) ?? round.prior
    this.#fates.set(round.task.crits.md5, 'stored')
  }

  async take(file: SampleFile, path: string): Promise<void> {
    this.#files += 1
    this.#md5s.set(path, file.md5)
    const fate = this.#fates.get(file.md5) ?? this.#fateBefore() ?? (await this.#try(file))
    this.#fates.set(file.md5, fate)
    if (fate === 'stored') this.#addRow(file)
    if (this.#files > this.#progress.files) this.#keep({ ...this.#progress, files: this.#files })
  }

  /** Another name for a file that was taken before. */
  takeName(name: string, path: string): void {
    const md5 = this.#md5s.get(path)
    if (md5 !== undefined && this.#fates.get(md5) === 'stored') this.#addRow({ name, md5 })
  }

  async end(): Promise<boolean> {
    const { prior, uploadPauseMs } = this.#round
    const { tries } = this.#progress
    const before = prior.files > 0 ? `, ${prior.files} files were handled before` : ''
    const open = tries.length > 0 ? `, ${tries.length} are tried again` : ''
    await tell(this.#round, 'info', `${this.#files} dropped files, ${this.#sent} uploaded${before}${open}`)
    if (tries.length > 0) {
      this.#keep({ ...this.#progress, due: Math.min(...tries.map(one => dueAt(this.#progress, one, uploadPauseMs))) })
      return false
    }
    if (this.#leftOut === 0) return true
    await tell(this.#round, 'warning', `${this.#leftOut} file_added rows left out: an analysis holds 12 MB`)
    return true
  }

  /** What became of the file at hand in an earlier round; undefined if it is to be uploaded now. */
  #fateBefore(): Fate | undefined {
    const { files, missing, tries } = this.#progress
    if (!isDue(this.#progress, this.#files, this.#round.uploadPauseMs, Date.now())) return 'open'
    if (this.#files > files || tries.some(({ file }) => file === this.#files)) return undefined
    return missing.includes(this.#files) ? 'missing' : 'stored'
  }

  async #try(file: SampleFile): Promise<Fate> {
    // One file at least in each round, or an archive that takes longer than HoldLimit to unpack would go round for ever.
    if (this.#tried > 0) this.#round.context.waiting.throwIfAborted()
    this.#tried += 1
    const { fate, complaint } = await this.#upload(file)
    if (complaint === undefined) return fate
    await tell(this.#round, 'warning', `dropped file ${file.name} (MD5 ${file.md5}): ${complaint}`)
    return fate
  }

  async #upload(file: SampleFile): Promise<{ fate: Fate; complaint: string | undefined }> {
    let uploaded: Uploaded
    try {
      uploaded = await uploadFile(this.#round, file)
    } catch (error: unknown) {
      if (error instanceof ServerAwayError || !isDoubtful(error)) throw error
      const { kind, progress } = failed(this.#progress, this.#files, error, Date.now(), kept => this.#keep(kept))
      this.#keep(progress)
      this.#round.context.log.warn({ err: error, md5: file.md5 }, 'a file could not be uploaded although CRITs is well')
      if (kind === 'again') return { fate: 'open', complaint: undefined }
      return { fate: this.#miss(), complaint: `given up: ${error.message}` }
    }
    const { stored, sent, complaint } = uploaded
    this.#keep(settled(this.#progress, this.#files, sent))
    if (sent) this.#sent += 1
    return { fate: stored ? 'stored' : this.#miss(), complaint }
  }

  #miss(): Fate {
    const { missing } = this.#progress
    if (missing.length < MISSING_MAX) this.#keep({ ...this.#progress, missing: [...missing, this.#files] })
    return 'missing'
  }

  #keep(progress: Progress): void {
    this.#progress = progress
    this.#round.context.headers.notes.set(PROGRESS, progress)
  }

  #addRow({ name, md5 }: Pick<SampleFile, 'name' | 'md5'>): void {
    const key = `${md5} ${name}`
    if (this.#rows.has(key)) return
    this.#rows.add(key)
    if (!this.#round.store.add({ subtype: 'file_added', result: name, fields: { md5 } })) this.#leftOut += 1
  }
}
