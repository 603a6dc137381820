// Finds events in the files of a journal, those that other processes write to included.
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { decodeEvent, errorCode, type PipelineEvent } from '@cuckoo-distributed/core'
import { type JournalFile, journalFiles, type RunFile } from './files.js'
import { digestOf, type Key, keysOf, metaOf, OpenRun, searchRun } from './index-run.js'
import { type Meta, MetaCollector, mergeMeta, readMeta } from './ranges.js'
import type { LiveTail } from './writer.js'

/** Bytes of a line; events have at most 1 KiB. */
const LINE_BYTES = 1200
/** Events that are read for one question, the newest. */
const MOST_EVENTS = 4000
const FILES_AT_A_TIME = 8

/** What a journal says about some keys. */
export interface Found {
  /** In the order of their times; none twice. */
  readonly events: readonly PipelineEvent[]
  /** There were more than are shown, older ones. */
  readonly isCut: boolean
  readonly meta: Meta
  /** When the journal begins, in milliseconds since 1970; undefined while it is empty. */
  readonly begin: number | undefined
}

/** What a writer in this process had of its own file when it was asked. */
interface Snapshot {
  readonly base: string
  readonly places: readonly number[]
  readonly meta: Meta
}

interface Part {
  readonly events: readonly PipelineEvent[]
  readonly meta: Meta
}

export class JournalReader {
  readonly #dir: string
  /** By the names of runs, which never change. */
  readonly #metas = new Map<string, Meta>()

  constructor(dir: string) {
    this.#dir = dir
  }

  /**
   * What the directory has about any of the keys. `tail`: of a writer in this process.
   * Rejects with the error of the file system. A file that is removed meanwhile is passed over.
   */
  async find(keys: readonly Key[], tail?: LiveTail): Promise<Found> {
    // Before the runs are listed: what is not in one of them is here.
    const snapshot = tail && { base: tail.base, places: tail.find(keys), meta: tail.meta }
    const files = await journalFiles(this.#dir)
    const parts: (Part | undefined)[] = []
    for (let at = 0; at < files.length; at += FILES_AT_A_TIME) {
      const some = files.slice(at, at + FILES_AT_A_TIME)
      parts.push(...(await Promise.all(some.map(file => this.#searchTwice(file, keys, snapshot)))))
    }
    const found = parts.filter(part => part !== undefined)
    const events = distinct(found.flatMap(part => part.events)).sort((a, b) => a.at - b.at)
    const shown = events.slice(-MOST_EVENTS)
    const meta = mergeMeta(found.map(part => part.meta))
    const begins = meta.ranges.map(({ firstAt }) => firstAt)
    const begin = begins.length > 0 ? begins.reduce((a, b) => Math.min(a, b)) : undefined
    return { events: shown, isCut: shown.length < events.length, meta, begin }
  }

  async #searchTwice(file: JournalFile, keys: readonly Key[], tail: Snapshot | undefined): Promise<Part | undefined> {
    const first = await this.#search(file, keys, tail).catch(passOverRemoved)
    if (first) return first
    // Its runs may have become one meanwhile.
    const again = (await journalFiles(this.#dir)).find(({ base }) => base === file.base)
    return again && this.#search(again, keys, tail).catch(passOverRemoved)
  }

  async #search(file: JournalFile, keys: readonly Key[], tail: Snapshot | undefined): Promise<Part> {
    const places: number[] = []
    const metas: Meta[] = []
    const digests = keys.map(digestOf)
    for (const run of file.runs) {
      if (digests.length > 0) places.push(...(await searchRun(this.#dir, run, digests)))
      metas.push(await this.#meta(run))
    }
    await using handle = await open(join(this.#dir, file.name))
    if (tail?.base === file.base) {
      const events = await readLines(handle, [...places, ...tail.places], keys)
      return { events, meta: mergeMeta([...metas, tail.meta]) }
    }
    const events = await readLines(handle, places, keys)
    const rest = new MetaCollector()
    for await (const { event } of eventsFrom(this.#dir, file)) {
      rest.add(event)
      if (isAbout(event, keys)) events.push(event)
    }
    return { events, meta: mergeMeta([...metas, rest.meta]) }
  }

  async #meta(run: RunFile): Promise<Meta> {
    const known = this.#metas.get(run.name)
    if (known) return known
    const meta = readMeta(await metaOf(this.#dir, run).catch(() => undefined))
    this.#metas.set(run.name, meta)
    return meta
  }
}

function passOverRemoved(error: unknown): undefined {
  if (errorCode(error) === 'ENOENT') return undefined
  throw error
}

async function readLines(file: FileHandle, places: readonly number[], keys: readonly Key[]): Promise<PipelineEvent[]> {
  const events: PipelineEvent[] = []
  // One more tells that there are more.
  const newest = [...new Set(places)].sort((a, b) => a - b).slice(-MOST_EVENTS - 1)
  const bytes = Buffer.alloc(LINE_BYTES)
  for (const place of newest) {
    const { bytesRead } = await file.read(bytes, 0, LINE_BYTES, place)
    const end = bytes.subarray(0, bytesRead).indexOf('\n')
    const event = end < 0 ? undefined : decodeEvent(bytes.toString('utf8', 0, end))
    if (event && isAbout(event, keys)) events.push(event)
  }
  return events
}

function isAbout(event: PipelineEvent, keys: readonly Key[]): boolean {
  return keysOf(event).some(own => keys.some(key => isSame(own, key)))
}

function isSame(a: Key, b: Key): boolean {
  if ('analysis' in a) return 'analysis' in b && a.analysis === b.analysis
  if ('md5' in a) return 'md5' in b && a.md5 === b.md5
  return 'task' in b && a.task === b.task
}

/** Whole lines from `from` on, by default those that no run covers, with the place of the next one. */
export async function* eventsFrom(dir: string, file: JournalFile, from = file.covered) {
  const stream = createReadStream(join(dir, file.name), { start: from })
  let next = from
  // A line that is being written, or was when its process died, has no event in it.
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    next += Buffer.byteLength(line) + 1
    const event = decodeEvent(line)
    if (event) yield { event, place: next - Buffer.byteLength(line) - 1, next }
  }
}

/** Of several files together, by their times. Names do not tell which file is older: a day has one for each process. */
export async function* eventsInOrder(streams: readonly ReturnType<typeof eventsFrom>[]) {
  const heads = await Promise.all(streams.map(async stream => ({ stream, next: await stream.next() })))
  const atOf = ({ next }: (typeof heads)[number]) => (next.done ? Number.POSITIVE_INFINITY : next.value.event.at)
  try {
    while (heads.length > 0) {
      const oldest = heads.reduce((a, b) => (atOf(b) < atOf(a) ? b : a))
      if (oldest.next.done) return
      yield oldest.next.value.event
      oldest.next = await oldest.stream.next()
    }
  } finally {
    for (const { stream } of heads) await stream.return(undefined)
  }
}

function distinct(events: readonly PipelineEvent[]): PipelineEvent[] {
  const seen = new Set<string>()
  return events.filter(({ instance, seq }) => {
    const id = `${instance} ${seq}`
    if (seen.has(id)) return false
    seen.add(id)
    return true
  })
}

/** Writes the index of lines that a process has not indexed which has died; harmless if it has not. */
export async function seal(dir: string): Promise<void> {
  for (const file of await journalFiles(dir)) await sealFile(dir, file).catch(passOverRemoved)
}

async function sealFile(dir: string, file: JournalFile): Promise<void> {
  const run = new OpenRun()
  let meta = new MetaCollector()
  let from = file.covered
  let to = from
  for await (const { event, place, next } of eventsFrom(dir, file)) {
    if (run.isFull) {
      await run.write(dir, file.base, { from, to: place }, meta.meta)
      from = place
      meta = new MetaCollector()
    }
    run.add(event, place)
    meta.add(event)
    to = next
  }
  if (run.count > 0) await run.write(dir, file.base, { from, to }, meta.meta)
}
