/** Removes files that no task needs any more. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import type { ObsoleteFile, Store } from '../store/store.js'
import type { Files } from './files.js'

const BATCH = 100
const PAUSE_MS = 1_000
/** After a failure of the disk or the database. */
const TROUBLE_MS = 10_000
const DAY_MS = 24 * 60 * 60_000
/** An upload that is still going on is younger. */
const ORPHAN_AGE_MS = DAY_MS

export interface JanitorOptions {
  readonly store: Store
  readonly files: Files
  readonly log: Logger
  /** Between two sweeps through all samples. Default a day. */
  readonly sweepMs?: number
}

export class Janitor {
  readonly #store: Store
  readonly #files: Files
  readonly #log: Logger
  readonly #sweepMs: number

  constructor(options: JanitorOptions) {
    this.#store = options.store
    this.#files = options.files
    this.#log = options.log
    this.#sweepMs = options.sweepMs ?? DAY_MS
  }

  /** Tidies up every second, and sweeps at start and every day, until the signal is aborted; rejects with its reason then. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#supervised(() => this.#removeOrphans(Date.now()), signal)
      const swept = performance.now()
      do {
        await this.#supervised(() => this.removeObsolete(), signal)
        await delay(PAUSE_MS, signal)
      } while (performance.now() - swept < this.#sweepMs)
    }
  }

  /** Removes what the store has written down as obsolete. What cannot be removed is logged and stays written down. */
  async removeObsolete(): Promise<void> {
    for (;;) {
      const files = await this.#store.files.obsolete(BATCH)
      const removed: ObsoleteFile[] = []
      for (const file of files) if (await this.#remove(this.#files.obsoletePath(file))) removed.push(file)
      if (removed.length > 0) await this.#store.files.removed(removed)
      if (removed.length < BATCH) return
    }
  }

  /** Removes samples whose upload ended before their task was stored. Reads the whole samples directory. */
  async #removeOrphans(now: number): Promise<void> {
    for (const shard of await readdir(this.#files.samplesDirectory, { withFileTypes: true })) {
      if (!shard.isDirectory() || !/^[0-9a-f]{2}$/.test(shard.name)) continue
      const names = await readdir(join(this.#files.samplesDirectory, shard.name))
      const paths = names.map(name => `${shard.name}/${name}`)
      const inUse = await this.#store.tasks.samplesInUse(paths)
      for (const path of paths) if (!inUse.has(path)) await this.#removeOrphan(this.#files.samplePath(path), now)
    }
  }

  /** What cannot be tidied up now is tidied up later; nothing waits for it. */
  async #supervised(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work()
    } catch (error: unknown) {
      signal.throwIfAborted()
      this.#log.warn({ err: error }, 'tidying up failed; it is tried again')
      await delay(TROUBLE_MS, signal)
    }
  }

  async #removeOrphan(path: string, now: number): Promise<void> {
    const { mtimeMs } = await stat(path)
    if (now - mtimeMs > ORPHAN_AGE_MS) await this.#remove(path)
  }

  async #remove(path: string): Promise<boolean> {
    try {
      await rm(path, { recursive: true, force: true })
      return true
    } catch (error: unknown) {
      this.#log.warn({ err: error }, 'a file that is not needed any more cannot be removed')
      return false
    }
  }
}
