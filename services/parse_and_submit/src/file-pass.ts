// One pass over the files of an analysis: each is sent to CRITs once, and gets its row if CRITs has it.
import type { ResultRow, SampleFile, Subtype } from '@cuckoo-distributed/crits-client'
import { ServerAwayError } from '@cuckoo-distributed/http'
import type { Round } from './analysis.js'
import { isDoubtful, tell } from './calls.js'
import type { FileKind, NamedFile } from './file-kinds.js'
import { PROGRESS, type Progress } from './notes.js'
import type { Uploaded } from './upload.js'
import { dueAt, failed, isDue, settled } from './upload-tries.js'

/** So many files without a row fit into the header that holds the progress. */
const MISSING_MAX = 900

/** Whether CRITs has a file, as far as it is known. */
type Fate = 'stored' | 'missing' | 'open'

/**
 * One pass over all files of an analysis, always in the same order. Files that were done before are read again for their rows,
 * but not sent.
 */
export class FilePass {
  readonly #round: Round
  readonly #rows = new Set<string>()
  /** By what the file becomes, and MD5. */
  readonly #fates = new Map<string, Fate>()
  /** By name of their kind. */
  readonly #counts = new Map<string, number>()
  readonly #leftOut = new Map<Subtype, number>()
  #progress: Progress
  #files = 0
  #tried = 0
  #sent = 0

  constructor(round: Round) {
    this.#round = round
    this.#progress = round.context.headers.notes.get(PROGRESS) ?? round.prior
    this.#fates.set(keyOf('sample', round.task.crits.md5), 'stored')
  }

  /** Files of this kind are counted, if there are none as well. */
  begin({ plural }: FileKind): void {
    this.#counts.set(plural, this.#counts.get(plural) ?? 0)
  }

  async take(file: SampleFile, kind: FileKind): Promise<void> {
    this.#files += 1
    this.#counts.set(kind.plural, (this.#counts.get(kind.plural) ?? 0) + 1)
    const key = keyOf(kind.becomes, file.md5)
    const fate = this.#fates.get(key) ?? this.#fateBefore() ?? (await this.#try(file, kind))
    this.#fates.set(key, fate)
    if (fate === 'stored') this.#addRow(kind.row?.(file))
    if (this.#files > this.#progress.files) this.#keep({ ...this.#progress, files: this.#files })
  }

  /** Another name for a file that was taken before. */
  takeName(file: NamedFile, kind: FileKind): void {
    if (this.#fates.get(keyOf(kind.becomes, file.md5)) === 'stored') this.#addRow(kind.row?.(file))
  }

  /** Whether this could not be downloaded in an earlier round; then it is left out for good, as each file keeps its place. */
  isSkipped(part: string): boolean {
    return this.#progress.skipped.includes(part)
  }

  skip(part: string): void {
    this.#keep({ ...this.#progress, skipped: [...this.#progress.skipped, part] })
  }

  async end(): Promise<boolean> {
    const { prior, uploadPauseMs } = this.#round
    const { tries } = this.#progress
    const before = prior.files > 0 ? `, ${prior.files} files were handled before` : ''
    const open = tries.length > 0 ? `, ${tries.length} will be retried` : ''
    const counts = [...this.#counts].map(([plural, count]) => `${count} ${plural}`).join(', ')
    await tell(this.#round, 'info', `${counts}, ${this.#sent} uploaded${before}${open}`)
    if (tries.length > 0) {
      this.#keep({ ...this.#progress, due: Math.min(...tries.map(one => dueAt(this.#progress, one, uploadPauseMs))) })
      return false
    }
    for (const [subtype, count] of this.#leftOut) {
      await tell(this.#round, 'warning', `${count} ${subtype} rows left out: an analysis holds 12 MB`)
    }
    return true
  }

  /** What became of the file at hand in an earlier round; undefined if it is to be uploaded now. */
  #fateBefore(): Fate | undefined {
    const { files, missing, tries } = this.#progress
    if (!isDue(this.#progress, this.#files, this.#round.uploadPauseMs, Date.now())) return 'open'
    if (this.#files > files || tries.some(({ file }) => file === this.#files)) return undefined
    return missing.includes(this.#files) ? 'missing' : 'stored'
  }

  async #try(file: SampleFile, kind: FileKind): Promise<Fate> {
    // One file at least in each round, or an archive that takes longer than HoldLimit to unpack would go round for ever.
    if (this.#tried > 0) this.#round.context.waiting.throwIfAborted()
    this.#tried += 1
    const { fate, complaint } = await this.#upload(file, kind)
    if (complaint === undefined) return fate
    await tell(this.#round, 'warning', `${kind.word} ${file.name} (MD5 ${file.md5}): ${complaint}`)
    return fate
  }

  async #upload(file: SampleFile, kind: FileKind): Promise<{ fate: Fate; complaint: string | undefined }> {
    const uploaded = await this.#uploaded(file, kind)
    const { stored, sent, failure } = uploaded
    if (sent) this.#sent += 1
    const complaint = failure === undefined ? uploaded.complaint : `given up: ${failure.message}`
    if (failure === undefined) this.#keep(settled(this.#progress, this.#files, sent))
    else if (this.#isAgain(file, failure, sent)) return { fate: 'open', complaint: undefined }
    return { fate: stored ? 'stored' : this.#miss(), complaint }
  }

  async #uploaded(file: SampleFile, kind: FileKind): Promise<Uploaded> {
    try {
      return await kind.upload(this.#round, file)
    } catch (error: unknown) {
      if (error instanceof ServerAwayError || !isDoubtful(error)) throw error
      return { stored: false, sent: false, failure: error }
    }
  }

  /** Whether the file at hand is to be tried again. */
  #isAgain({ md5 }: SampleFile, failure: Error, sent: boolean): boolean {
    const before = { ...this.#progress, uploadsWork: this.#progress.uploadsWork || sent }
    const { kind, progress } = failed(before, this.#files, failure, Date.now(), kept => this.#keep(kept))
    this.#keep(progress)
    this.#round.context.log.warn({ err: failure, md5 }, 'a file could not be uploaded although CRITs is available')
    return kind === 'again'
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

  #addRow(row: ResultRow | undefined): void {
    if (row === undefined) return
    const { subtype, result, fields } = row
    const key = `${subtype} ${String(fields?.md5)} ${result}`
    if (this.#rows.has(key)) return
    this.#rows.add(key)
    if (!this.#round.store.add(row)) this.#leftOut.set(subtype, (this.#leftOut.get(subtype) ?? 0) + 1)
  }
}

function keyOf(becomes: FileKind['becomes'], md5: string): string {
  return `${becomes} ${md5}`
}
