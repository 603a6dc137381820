/** Samples and reports on disk. No path is ever built from a name that a client or a node sent. */
import { randomInt, randomUUID } from 'node:crypto'
import { link, mkdir, open, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { addAbortSignal, type Readable } from 'node:stream'
import { type Logger, ServiceError } from '@cuckoo-distributed/core'
import { syncDirectory } from '@cuckoo-distributed/staging'
import { linkedController, orAbort } from '@cuckoo-distributed/wait'
import type { DistributedConfig } from '../config.js'
import { groupCommit } from '../store/group-commit.js'
import type { Report, Sample } from '../store/model.js'
import type { ObsoleteFile } from '../store/store.js'
import { hasCode, MARKER } from './marker.js'
import { writeSample } from './sample-file.js'
import { DirectoryAwayError, SharedDirectory } from './shared-directory.js'

/** Samples in a row that go into the same directory, so that uploads at a time can share its way to disk. */
const PER_SHARD = 256

/** A sample that is older than the longest request, and no task's, is nobody's. Milliseconds. */
export const LONGEST_REQUEST_MS = 45 * 60_000

export type DirectoriesConfig = Pick<DistributedConfig, 'SamplesDirectory' | 'ReportsDirectory' | 'MinFreeSpace'>

/** The samples and the reports directory; all processes that share a database share them as well. */
export class Files {
  readonly samples: SharedDirectory
  readonly reports: SharedDirectory
  #freeBytes: { readonly value: number; readonly at: number } | undefined
  readonly #minFreeSpace: number
  readonly #shards = new Map<string, Promise<void>>()
  readonly #syncShard = groupCommit(syncEach)
  #saved = randomInt(PER_SHARD) * PER_SHARD

  /** @internal Use `openFiles`. */
  constructor(config: DirectoriesConfig, owner: string, log: Logger) {
    const directory = (kind: string, path: string) => new SharedDirectory({ kind, path: resolve(path), owner, log })
    this.samples = directory('samples', config.SamplesDirectory)
    this.reports = directory('reports', config.ReportsDirectory)
    this.#minFreeSpace = config.MinFreeSpace
  }

  get samplesDirectory(): string {
    return this.samples.path
  }

  get reportsDirectory(): string {
    return this.reports.path
  }

  /** What is wrong with the directories, for operators; null = nothing. */
  get problem(): string | null {
    return this.samples.problem ?? this.reports.problem
  }

  /** Where a sample is; `path` is `Sample.path`. */
  samplePath(path: string): string {
    return join(this.samplesDirectory, path)
  }

  /** The directory of a task's reports; it exists when the task has some. */
  reportDirectory(taskId: number): string {
    return join(this.reportsDirectory, String(taskId))
  }

  /** `format` must be a configured one, `json` or `dropped`. */
  reportPath(taskId: number, format: string): string {
    return join(this.reportDirectory(taskId), `report.${format}`)
  }

  /** Where an obsolete file is. */
  obsoletePath({ kind, path }: ObsoleteFile): string {
    return join(kind === 'sample' ? this.samplesDirectory : this.reportsDirectory, path)
  }

  /** Looks whether both are there now. @throws DirectoryAwayError */
  async check(): Promise<void> {
    await this.samples.check()
    await this.reports.check()
  }

  /**
   * Free bytes for samples and reports: of the fuller disk, if they are on two. At most a second old.
   * @throws DirectoryAwayError
   */
  async freeBytes(): Promise<number> {
    const now = performance.now()
    for (const directory of [this.samples, this.reports]) directory.demandReadable()
    if (this.#freeBytes === undefined || now - this.#freeBytes.at > 1000) {
      const disks = await Promise.all([this.samples, this.reports].map(directory => directory.space()))
      this.#freeBytes = { value: Math.min(...disks.map(({ free }) => free)), at: now }
    }
    return this.#freeBytes.value
  }

  /** Total bytes of the samples' and of the reports' disk. @throws DirectoryAwayError */
  async totalBytes(): Promise<number> {
    return (await this.reports.space()).total
  }

  /**
   * Writes a sample under a name of its own (mode 0600) and resolves when it is on disk. If anything goes wrong nothing is left.
   * Rejects with what `bytes` throws, with the error of the disk, with DirectoryAwayError, with ServiceError (ENOSPC) when free space
   * falls below `MinFreeSpace` meanwhile, or with `signal.reason`.
   */
  async saveSample(bytes: Readable, signal: AbortSignal): Promise<Sample> {
    signal.throwIfAborted()
    this.samples.demandWritable()
    const path = `${this.#nextShard()}/${randomUUID()}.bin`
    const { away } = this.samples
    using linked = linkedController(signal, away)
    const saving = this.#save(path, bytes, linked.controller.signal)
    // A disk that hangs is not waited for.
    return await orAbort(saving, away).catch(error => this.samples.blame(error))
  }

  async #save(path: string, bytes: Readable, signal: AbortSignal): Promise<Sample> {
    const file = this.samplePath(path)
    await this.#makeShard(dirname(file))
    const handle = await open(file, 'wx', 0o600)
    try {
      const [measured] = await Promise.all([
        writeSample(handle, addAbortSignal(signal, bytes), () => this.#checkSpace()),
        this.#syncShard(dirname(file)),
      ])
      await handle.close()
      return { path, ...measured }
    } catch (error: unknown) {
      // Waits for a write that is under way.
      await handle.close()
      await rm(file, { force: true })
      throw signal.aborted ? signal.reason : error
    }
  }

  /** The same sample for another task, under a name of its own; undefined when it is gone. Rejects as `saveSample` does. */
  async shareSample(sample: Sample): Promise<Sample | undefined> {
    this.samples.demandWritable()
    const path = `${this.#nextShard()}/${randomUUID()}.bin`
    const [from, to] = [this.samplePath(sample.path), this.samplePath(path)]
    await this.#makeShard(dirname(to))
    try {
      // The janitor takes an old sample without a task for nobody's.
      const now = (await this.samplesClock()) / 1000
      await utimes(from, now, now)
      await link(from, to)
    } catch (error: unknown) {
      await this.samples.check()
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
    await this.#syncShard(dirname(to))
    return { ...sample, path }
  }

  /** Removes a sample whose task was not stored. What cannot be removed now is the janitor's. */
  async removeSample({ path }: Sample): Promise<void> {
    if (this.samples.problem !== null) return
    await this.samples.ask(rm(this.samplePath(path), { force: true })).catch(() => undefined)
  }

  /** The time by which the samples directory stamps its files, in milliseconds since 1970: its clock need not be ours. */
  async samplesClock(): Promise<number> {
    const file = join(this.samplesDirectory, `${MARKER}.clock-${randomUUID()}`)
    try {
      await writeFile(file, '', { flag: 'wx', mode: 0o600 })
      return (await stat(file)).mtimeMs
    } finally {
      await rm(file, { force: true })
    }
  }

  /** Whether the sample is there. @throws DirectoryAwayError when nobody can tell. */
  async hasSample(path: string): Promise<boolean> {
    const isThere = () => this.samples.ask(isFile(this.samplePath(path)))
    this.samples.demandReadable()
    if (await isThere()) return true
    await this.samples.check()
    // The directory may have come back between the two.
    return isThere()
  }

  /** A sample counts when it can be found where the others are. @throws DirectoryAwayError */
  async confirmSample({ path }: Sample): Promise<void> {
    if (!(await this.hasSample(path)))
      throw new DirectoryAwayError('DIRECTORY_AWAY', 'a sample is gone from the samples directory')
    await this.samples.check()
  }

  /** Reports count when they can be found where the others are. @throws DirectoryAwayError */
  async confirmReports(taskId: number, reports: readonly Report[]): Promise<void> {
    for (const { format, size } of reports) {
      if (size === null) continue
      const found = await this.reports
        .ask(stat(this.reportPath(taskId, format)))
        .catch(error => this.reports.blame(error))
      if (found.size !== size) throw new RangeError(`${format}: ${found.size} bytes of ${size} are on disk`)
    }
    await this.reports.check()
  }

  async #checkSpace(): Promise<void> {
    if ((await this.freeBytes()) < this.#minFreeSpace)
      throw new ServiceError('ENOSPC', 'free space has fallen below MinFreeSpace')
  }

  #nextShard(): string {
    const shard = Math.floor(this.#saved / PER_SHARD) % 256
    this.#saved += 1
    return shard.toString(16).padStart(2, '0')
  }

  /** Uploads that share a new directory all wait until its name is on disk. */
  async #makeShard(directory: string): Promise<void> {
    const made = this.#shards.get(directory) ?? this.#make(directory)
    this.#shards.set(directory, made)
    try {
      await made
    } catch (error: unknown) {
      this.#shards.delete(directory)
      throw error
    }
  }

  async #make(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await syncDirectory(this.samplesDirectory)
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error: unknown) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

async function syncEach(paths: readonly string[]): Promise<readonly string[]> {
  await Promise.all([...new Set(paths)].map(syncDirectory))
  return paths
}
