// Writes the journal of this process: one line per event, into files that nobody else writes to.
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { PipelineEvent } from '@cuckoo-distributed/core'
import { dayOf, journalName, newBase, type Retention, trim } from './files.js'
import { digestOf, type Key, OpenRun } from './index-run.js'
import { type Meta, MetaCollector } from './ranges.js'

/** Places are numbers of 32 bits. */
const MAX_FILE_BYTES = 1024 ** 3

export interface JournalWriterOptions {
  readonly dir: string
  readonly retention: Retention
  /** For tests. */
  readonly now?: () => number
}

interface Current {
  readonly file: Awaited<ReturnType<typeof open>>
  readonly base: string
  readonly day: string
  /** Bytes that are whole lines. */
  size: number
  /** What a run on disk covers. */
  covered: number
}

/** What the process knows of lines that no run covers yet. */
export interface LiveTail {
  readonly base: string
  readonly meta: Meta
  find(keys: readonly Key[]): number[]
}

export class JournalWriter implements AsyncDisposable {
  readonly #options: Required<JournalWriterOptions>
  readonly #run = new OpenRun()
  #meta = new MetaCollector()
  #current: Current | undefined

  constructor(options: JournalWriterOptions) {
    this.#options = { now: Date.now, ...options }
  }

  get tail(): LiveTail | undefined {
    if (!this.#current) return undefined
    const { base } = this.#current
    return { base, meta: this.#meta.meta, find: keys => keys.flatMap(key => this.#run.find(digestOf(key))) }
  }

  /** Calls must not overlap. Rejects with the error of the file system; then nothing of them is in the journal. */
  async append(events: readonly PipelineEvent[]): Promise<void> {
    const current = await this.#file()
    const lines = events.map(event => Buffer.from(`${JSON.stringify(event)}\n`))
    const bytes = Buffer.concat(lines)
    try {
      await writeAll(current, bytes)
    } catch (error: unknown) {
      await current.file.truncate(current.size).catch(() => undefined) // readers pass over half a line
      throw error
    }
    let place = current.size
    for (const [index, event] of events.entries()) {
      if (this.#run.isFull) await this.#writeRun(current, place)
      this.#run.add(event, place)
      this.#meta.add(event)
      place += lines[index]?.length ?? 0
    }
    current.size = place
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }

  async #file(): Promise<Current> {
    const { dir, retention, now } = this.#options
    const day = dayOf(now())
    if (this.#current?.day === day && this.#current.size < MAX_FILE_BYTES) return this.#current
    await this.#close()
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const base = newBase(day)
    const file = await open(join(dir, journalName(base)), 'wx', 0o600)
    this.#current = { file, base, day, size: 0, covered: 0 }
    await trim(dir, retention, journalName(base), now())
    return this.#current
  }

  async #close(): Promise<void> {
    const current = this.#current
    if (!current) return
    if (this.#run.count > 0) await this.#writeRun(current, current.size)
    this.#current = undefined
    await current.file.close()
  }

  async #writeRun(current: Current, to: number): Promise<void> {
    await this.#run.write(this.#options.dir, current.base, { from: current.covered, to }, this.#meta.meta)
    current.covered = to
    this.#meta = new MetaCollector()
  }
}

async function writeAll({ file, size }: Current, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, size + done)
    done += bytesWritten
  }
}
