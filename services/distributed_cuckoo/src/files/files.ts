/** Samples and reports on disk. No path is ever built from a name that a client or a node sent. */
import { randomInt, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { addAbortSignal, type Readable } from 'node:stream'
import { ConfigError, describeError, ServiceError } from '@cuckoo-distributed/core'
import { syncDirectory } from '@cuckoo-distributed/staging'
import type { DistributedConfig } from '../config.js'
import { groupCommit } from '../store/group-commit.js'
import type { Sample } from '../store/model.js'
import type { ObsoleteFile } from '../store/store.js'
import { writeSample } from './sample-file.js'

const MARKER = '.distributed_cuckoo'
/** Samples in a row that go into the same directory, so that uploads at a time can share its way to disk. */
const PER_SHARD = 256

export type DirectoriesConfig = Pick<DistributedConfig, 'SamplesDirectory' | 'ReportsDirectory' | 'MinFreeSpace'>

/** The samples and the reports directory; all processes that share a database share them as well. */
export class Files {
  readonly samplesDirectory: string
  readonly reportsDirectory: string
  #freeBytes: { readonly value: number; readonly at: number } | undefined
  readonly #minFreeSpace: number
  readonly #shards = new Map<string, Promise<void>>()
  readonly #syncShard = groupCommit(syncEach)
  #saved = randomInt(PER_SHARD) * PER_SHARD

  /** @internal Use `openFiles`. */
  constructor(config: DirectoriesConfig) {
    this.samplesDirectory = resolve(config.SamplesDirectory)
    this.reportsDirectory = resolve(config.ReportsDirectory)
    this.#minFreeSpace = config.MinFreeSpace
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

  /** Free bytes for samples and reports: of the fuller disk, if they are on two. At most a second old. */
  async freeBytes(): Promise<number> {
    const now = performance.now()
    if (this.#freeBytes === undefined || now - this.#freeBytes.at > 1000) {
      const disks = await Promise.all([this.samplesDirectory, this.reportsDirectory].map(path => statfs(path)))
      this.#freeBytes = { value: Math.min(...disks.map(disk => disk.bavail * disk.bsize)), at: now }
    }
    return this.#freeBytes.value
  }

  /** Total bytes of the samples' and of the reports' disk. */
  async totalBytes(): Promise<number> {
    const disk = await statfs(this.reportsDirectory)
    return disk.blocks * disk.bsize
  }

  /**
   * Writes a sample under a name of its own (mode 0600) and resolves when it is on disk. If anything goes wrong nothing is left.
   * Rejects with what `bytes` throws, with the error of the disk, with ServiceError (ENOSPC) when free space falls below `MinFreeSpace`
   * meanwhile, or with `signal.reason`.
   */
  async saveSample(bytes: Readable, signal: AbortSignal): Promise<Sample> {
    signal.throwIfAborted()
    const path = `${this.#nextShard()}/${randomUUID()}.bin`
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

  /** Removes a sample whose task was not stored. */
  async removeSample({ path }: Sample): Promise<void> {
    await rm(this.samplePath(path), { force: true })
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

/**
 * Makes the directories when they are missing and marks them as those of this database. Throws ConfigError when they cannot be
 * written to or belong to another database.
 */
export async function openFiles(config: DirectoriesConfig, storeId: string): Promise<Files> {
  const files = new Files(config)
  const problems = [
    await mark('SamplesDirectory', files.samplesDirectory, storeId),
    await mark('ReportsDirectory', files.reportsDirectory, storeId),
  ]
  const found = problems.filter(problem => problem !== undefined)
  if (found.length > 0) throw new ConfigError('directories', found)
  return files
}

async function mark(key: string, directory: string, storeId: string): Promise<string | undefined> {
  const marker = join(directory, MARKER)
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writeFile(marker, `${storeId}\n`, { flag: 'wx', mode: 0o600 })
    return undefined
  } catch (error: unknown) {
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    if (!exists) return `"${key}": ${directory} cannot be written to: ${describeError(error)}`
  }
  const owner = (await readFile(marker, 'utf8')).trim()
  if (owner === storeId) return undefined
  return `"${key}": ${directory} belongs to another database; give it back, or remove ${marker} if that database is gone`
}

async function syncEach(paths: readonly string[]): Promise<readonly string[]> {
  await Promise.all([...new Set(paths)].map(syncDirectory))
  return paths
}
