/** Removes files that no task needs any more. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import type { ObsoleteFile, Store } from '../store/store.js'
import { TroubleLog } from '../trouble-log.js'
import { type Files, LONGEST_REQUEST_MS } from './files.js'
import { hasCode } from './marker.js'

const BATCH = 100
const PAUSE_MS = 1_000
/** After a failure of the disk or the database. */
const FAILURE = { message: 'cleaning up failed; trying again', pauseMs: 10_000 }
const MINUTE_MS = 60_000
const SWEEP_MS = 5 * MINUTE_MS
/** From the end of a request's upload to the end of the transaction that stores its task. */
const MARGIN_MS = 5 * MINUTE_MS

export interface JanitorOptions {
  readonly store: Store
  readonly files: Files
  readonly log: Logger
  /** Between two sweeps through all samples. Default five minutes. */
  readonly sweepMs?: number
}

export class Janitor {
  readonly #store: Store
  readonly #files: Files
  readonly #log: Logger
  readonly #sweepMs: number
  readonly #stuck = new Set<string>()
  readonly #trouble: TroubleLog

  constructor(options: JanitorOptions) {
    this.#store = options.store
    this.#files = options.files
    this.#log = options.log
    this.#trouble = new TroubleLog(options.log)
    this.#sweepMs = options.sweepMs ?? SWEEP_MS
  }

  /** Tidies up every second, and sweeps at start and every five minutes, until the signal is aborted; rejects with its reason then. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#trouble.outlast(() => this.#removeOrphans(), FAILURE, signal)
      const swept = performance.now()
      do {
        await this.#trouble.outlast(() => this.removeObsolete(), FAILURE, signal)
        await delay(PAUSE_MS, signal)
      } while (performance.now() - swept < this.#sweepMs)
    }
  }

  /** Removes what the store has written down as obsolete. What cannot be removed is logged, stays written down, and hides nothing else. */
  async removeObsolete(): Promise<void> {
    let files: ObsoleteFile[] = []
    do {
      files = await this.#store.files.obsolete(BATCH, files.at(-1))
      if (files.length === 0) return
      await this.#files.check()
      const removed: ObsoleteFile[] = []
      for (const file of files) if (await this.#remove(this.#files.obsoletePath(file))) removed.push(file)
      // What is not there is removed, but only where it should have been.
      await this.#files.check()
      if (removed.length > 0) await this.#store.files.removed(removed)
    } while (files.length === BATCH)
  }

  /** Removes samples whose upload ended before their task was stored. Reads the whole samples directory. */
  async #removeOrphans(): Promise<void> {
    await this.#files.samples.check()
    const now = await this.#files.samplesClock()
    for (const shard of await readdir(this.#files.samplesDirectory, { withFileTypes: true })) {
      if (!shard.isDirectory() || !/^[0-9a-f]{2}$/.test(shard.name)) continue
      const names = await readdir(join(this.#files.samplesDirectory, shard.name)).catch(unlessGone)
      const old = await this.#olderThan(
        now - LONGEST_REQUEST_MS - MARGIN_MS,
        names.map(name => `${shard.name}/${name}`),
      )
      // Asked after the look at their age: whatever becomes a task from now on is younger.
      const inUse = await this.#store.tasks.samplesInUse(old)
      for (const path of old) if (!inUse.has(path)) await this.#remove(this.#files.samplePath(path))
    }
  }

  async #olderThan(time: number, paths: readonly string[]): Promise<string[]> {
    const old: string[] = []
    for (const path of paths) {
      try {
        if ((await stat(this.#files.samplePath(path))).mtimeMs < time) old.push(path)
      } catch (error: unknown) {
        // One that has vanished needs no removing; whatever else is wrong with one file must not keep the others.
        if (!hasCode(error, 'ENOENT')) this.#warn(path, error)
      }
    }
    return old
  }

  async #remove(path: string): Promise<boolean> {
    try {
      await rm(path, { recursive: true, force: true })
      this.#stuck.delete(path)
      return true
    } catch (error: unknown) {
      this.#warn(path, error)
      return false
    }
  }

  /** Once for each file, as it is tried again every second. */
  #warn(path: string, error: unknown): void {
    if (this.#stuck.has(path)) return
    this.#stuck.add(path)
    this.#log.warn({ err: error }, 'a file that is not needed any more cannot be removed')
  }
}

function unlessGone(error: unknown): string[] {
  if (!hasCode(error, 'ENOENT')) throw error
  return []
}
