// Dropped files: downloaded at full speed to the disk, then read entry by entry, uploaded and related to the sample.
import { openArchive } from '@cuckoo-distributed/archive'
import { type StagedEntry, type StagedFile, stageArchive, stageEntry } from '@cuckoo-distributed/staging'
import { type Analysis, requireSameSample } from './analysis.js'
import { tell } from './at-once.js'
import { download, isIncomplete } from './download.js'
import { PROGRESS } from './notes.js'
import { whyMissing } from './report.js'
import { uploadFile } from './upload.js'

const ARCHIVE_BYTES_MAX = 16 * 1024 ** 3

/** A dropped file of this size stays in memory, a larger one goes through the disk. */
const MEMORY_BYTES = 1024 ** 2

/** A cut download is tried again at once; a second cut is a failure of the message. */
const DOWNLOADS = 2

/**
 * Uploads every dropped file once and adds a `file_added` row for every name and MD5. A file that CRITs refuses is named
 * in CRITs' log and does not stop the others. Throws TaskGoneError, WrongSampleError, ServiceError (NO_REPORT),
 * HttpError, ArchiveError and StagingError.
 */
export async function submitDropped(analysis: Analysis): Promise<void> {
  await requireTask(analysis)
  const archive = await downloadArchive(analysis)
  try {
    const pass = new DroppedPass(analysis)
    const memory = Buffer.allocUnsafeSlow(MEMORY_BYTES)
    for await (const entry of openArchive(archive, { signal: analysis.context.working })) {
      const staged = await stageEntry(entry, analysis.tmpDir, memory)
      try {
        await pass.take(staged)
      } finally {
        await staged.close()
      }
    }
    await pass.end()
  } finally {
    await archive.close()
  }
}

/** An instance that parses only dropped files sees no report; whose files they are is known from the task as well. */
async function requireTask(analysis: Analysis): Promise<void> {
  const { task, context, cuckoo } = analysis
  const view = await download(analysis, () => cuckoo.client.viewTask(task.taskId, context.working))
  if (view) requireSameSample(analysis, view.md5)
}

async function downloadArchive(analysis: Analysis): Promise<StagedFile> {
  const { task, context, cuckoo, tmpDir } = analysis
  const signal = context.working
  for (let attempt = 1; ; attempt += 1) {
    try {
      const staged = await download(analysis, async () => {
        const response = await cuckoo.client.dropped(task.taskId, { compression: 'gz' }, signal)
        const limits = { maxBytes: ARCHIVE_BYTES_MAX, signal }
        return response && stageArchive(response.stream(ARCHIVE_BYTES_MAX), tmpDir, limits)
      })
      if (staged) return staged
      throw await whyMissing(analysis, 'archive of dropped files')
    } catch (error) {
      if (attempt === DOWNLOADS || !isIncomplete(error)) throw error
      context.log.info({ err: error }, 'the archive is incomplete; downloading it again')
    }
  }
}

/** One pass over an archive. Files that an earlier try has uploaded are read again for their rows, but not sent. */
class DroppedPass {
  readonly #analysis: Analysis
  readonly #rows = new Set<string>()
  readonly #sent = new Set<string>()
  #files = 0
  #uploaded = 0
  #leftOut = 0

  constructor(analysis: Analysis) {
    this.#analysis = analysis
    this.#sent.add(analysis.task.crits.md5)
  }

  async take(file: StagedEntry): Promise<void> {
    const { context, prior } = this.#analysis
    this.#files += 1
    this.#addRow(file)
    if (this.#files <= prior.files) {
      this.#sent.add(file.md5)
      return
    }
    // One file at least in each round, or an archive that takes longer than HoldLimit to unpack would go round for ever.
    if (this.#files > prior.files + 1) context.waiting.throwIfAborted()
    await this.#send(file)
    const { notes } = context.headers
    notes.set(PROGRESS, { ...(notes.get(PROGRESS) ?? prior), files: this.#files })
  }

  async end(): Promise<void> {
    const { prior } = this.#analysis
    const before = prior.files > 0 ? `, ${prior.files} files were handled before` : ''
    await tell(this.#analysis, 'info', `${this.#files} dropped files, ${this.#uploaded} uploaded${before}`)
    if (this.#leftOut === 0) return
    await tell(this.#analysis, 'warning', `${this.#leftOut} file_added rows left out: an analysis holds 12 MB`)
  }

  #addRow({ name, md5 }: StagedEntry): void {
    const key = `${md5} ${name}`
    if (this.#rows.has(key)) return
    this.#rows.add(key)
    if (!this.#analysis.store.add({ subtype: 'file_added', result: name, fields: { md5 } })) this.#leftOut += 1
  }

  async #send(file: StagedEntry): Promise<void> {
    if (this.#sent.has(file.md5)) return
    this.#sent.add(file.md5)
    const complaint = await uploadFile(this.#analysis, file)
    if (complaint === undefined) this.#uploaded += 1
    else await tell(this.#analysis, 'warning', `dropped file ${file.name} (MD5 ${file.md5}): ${complaint}`)
  }
}
