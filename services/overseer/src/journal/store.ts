// A journal on disk and what its process remembers of it.

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { PipelineEvent } from '@cuckoo-distributed/core'
import { journalFiles } from './files.js'
import type { Key } from './index-run.js'
import { OpenSamples } from './open-samples.js'
import { eventsFrom, type Found, JournalReader, seal } from './reader.js'
import { JournalWriter, type JournalWriterOptions } from './writer.js'

/** Of lines that are read at the start to know which samples are under way. */
const REMEMBERED_BYTES = 64 * 1024 * 1024

export class Store implements AsyncDisposable {
  readonly dir: string
  readonly open = new OpenSamples()
  readonly #writer: JournalWriter
  readonly #reader: JournalReader
  #remembering: Promise<void> | undefined
  #appending: Promise<void> = Promise.resolve()

  constructor(options: JournalWriterOptions) {
    this.dir = options.dir
    this.#writer = new JournalWriter(options)
    this.#reader = new JournalReader(options.dir)
  }

  /** Rejects with the error of the file system; then none of them was taken. */
  async append(events: readonly PipelineEvent[]): Promise<void> {
    this.#remembering ??= this.#remember()
    await this.#remembering
    if (events.length === 0) return
    this.#appending = this.#writer.append(events)
    await this.#appending
    for (const event of events) this.open.add(event)
  }

  /** Rejects with the error of the file system. */
  async find(keys: readonly Key[]): Promise<Found> {
    await this.#appending.catch(() => undefined) // whoever appends is told
    return this.#reader.find(keys, this.#writer.tail)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]()
  }

  /** Finishes what processes that have died left, and looks which samples are under way. */
  async #remember(): Promise<void> {
    try {
      await seal(this.dir)
      const recent: { readonly file: Awaited<ReturnType<typeof journalFiles>>[number]; readonly from: number }[] = []
      let left = REMEMBERED_BYTES
      for (const file of (await journalFiles(this.dir)).reverse()) {
        if (left <= 0) break
        const { size } = await stat(join(this.dir, file.name))
        recent.unshift({ file, from: Math.max(0, size - left) })
        left -= size
      }
      for (const { file, from } of recent) {
        for await (const { event } of eventsFrom(this.dir, file, from)) this.open.add(event)
      }
    } catch (error: unknown) {
      this.#remembering = undefined
      throw error
    }
  }
}
