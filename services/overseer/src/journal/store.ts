// A journal on disk and what its process remembers of it.

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError, type Logger, type PipelineEvent } from '@cuckoo-distributed/core'
import { dayOf, type JournalFile, journalFiles } from './files.js'
import type { Key } from './index-run.js'
import { mergeOldRuns } from './merge-runs.js'
import { OpenSamples } from './open-samples.js'
import { gapsBetween, Sequences } from './ranges.js'
import { eventsFrom, eventsInOrder, type Found, JournalReader, seal } from './reader.js'
import { Rooms } from './rooms.js'
import { JournalWriter, type JournalWriterOptions } from './writer.js'

/** Of lines that are read at the start to know which samples are under way. */
const REMEMBERED_BYTES = 64 * 1024 * 1024
/** Each restart makes one; all are open at the same time. */
const REMEMBERED_FILES = 100

export interface StoreOptions extends JournalWriterOptions {
  readonly log: Logger
}

export class Store implements AsyncDisposable {
  readonly dir: string
  readonly open = new OpenSamples()
  readonly rooms = new Rooms()
  readonly #writer: JournalWriter
  readonly #reader: JournalReader
  #sequences = new Sequences()
  #remembering: Promise<void> | undefined
  #turn = 0
  #isSealed = false
  #appending: Promise<void> = Promise.resolve()
  readonly #now: () => number
  readonly #log: Logger
  readonly #end = new AbortController()
  #mergedOn = ''
  #merging: Promise<void> = Promise.resolve()
  #isMergeFailing = false

  constructor(options: StoreOptions) {
    this.dir = options.dir
    this.#log = options.log
    this.#now = options.now ?? Date.now
    this.#writer = new JournalWriter(options)
    this.#reader = new JournalReader(options.dir)
  }

  /** Rejects with the error of the file system; then none of them was taken. */
  async append(events: readonly PipelineEvent[]): Promise<void> {
    const turn = this.#turn
    this.#remembering ??= this.#remember(turn)
    await this.#remembering
    if (events.length === 0) return
    this.#appending = this.#writer.append(events)
    await this.#appending
    this.#mergeOnceADay()
    if (turn !== this.#turn) return
    for (const event of events) {
      if (!this.#sequences.follows(event)) this.open.doubt()
      this.#hear(event)
    }
  }

  /** Another overseer may be told from now on: which samples are under way is not known until this one is told again. */
  forget(): void {
    this.#turn += 1
    this.#remembering = undefined
    this.open.clear()
    this.rooms.clear()
  }

  #hear(event: PipelineEvent): void {
    this.open.add(event)
    this.rooms.add(event)
  }

  /** Rejects with the error of the file system. */
  async find(keys: readonly Key[]): Promise<Found> {
    await this.#appending.catch(() => undefined) // whoever appends is told
    return this.#reader.find(keys, this.#writer.tail)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the journal is closed'))
    await this.#merging
    await this.#writer[Symbol.asyncDispose]()
  }

  #mergeOnceADay(): void {
    const today = dayOf(this.#now())
    if (today === this.#mergedOn) return
    this.#mergedOn = today
    this.#merging = this.#merging.then(() => this.#merge(today))
  }

  /** An index in pieces tells the same, more slowly: nothing waits for this. */
  async #merge(today: string): Promise<void> {
    const { signal } = this.#end
    try {
      await mergeOldRuns(this.dir, today, signal)
      if (this.#isMergeFailing) this.#log.info('indexes of the journal can be merged again')
      this.#isMergeFailing = false
    } catch (error: unknown) {
      if (signal.aborted) return
      if (!this.#isMergeFailing) {
        const cause = describeError(error)
        this.#log.warn({ cause }, 'indexes of the journal cannot be merged; searches take longer')
      }
      this.#isMergeFailing = true
    }
  }

  /** Finishes what processes that have died left, and looks which samples are under way. */
  async #remember(turn: number): Promise<void> {
    try {
      if (!this.#isSealed) await seal(this.dir)
      this.#isSealed = true
      const streams = (await this.#recent()).map(({ file, from }) => eventsFrom(this.dir, file, from))
      for await (const event of eventsInOrder(streams)) {
        if (turn !== this.#turn) return
        this.#hear(event)
      }
      const { meta, begin = 0 } = await this.#reader.find([], this.#writer.tail)
      if (turn !== this.#turn) return
      for (const { to } of gapsBetween(meta, 0, Number.POSITIVE_INFINITY, begin)) this.open.doubt(to)
      this.#sequences = new Sequences(meta)
    } catch (error: unknown) {
      if (turn === this.#turn) this.#remembering = undefined
      throw error
    }
  }

  /** The files that were written last, and from where on they are read. */
  async #recent(): Promise<{ readonly file: JournalFile; readonly from: number }[]> {
    const files = (await journalFiles(this.dir)).map(async file => ({
      file,
      ...(await stat(join(this.dir, file.name))),
    }))
    const newest = (await Promise.all(files)).sort((a, b) => b.mtimeMs - a.mtimeMs)
    let left = REMEMBERED_BYTES
    return newest.slice(0, REMEMBERED_FILES).flatMap(({ file, size }) => {
      const from = Math.max(0, size - left)
      const isWanted = left > 0
      left -= size
      return isWanted ? [{ file, from }] : []
    })
  }
}
