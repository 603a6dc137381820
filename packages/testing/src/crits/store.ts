// The database of the CRITs stand-in: samples, their relationships, analyses.
import { createHash, randomBytes } from 'node:crypto'
import { type CritsUser, TLP_LEVELS, type Tlp } from './auth.js'
import { type BsonValue, bsonSize } from './bson.js'
import type { Report } from './journal.js'
import { ResultOrder } from './result-order.js'

/** One acquisition of a sample from a source. */
export interface SourceInstance {
  readonly analyst: string
  readonly date: string
  readonly method: string
  readonly reference: string
  readonly tlp: Tlp
}

export interface SampleSource {
  readonly name: string
  readonly instances: SourceInstance[]
}

/** One side of a relationship; the other side holds the inverse type. */
export interface Relationship {
  readonly relationship: string
  readonly type: 'Sample' | 'PCAP'
  readonly objectId: string
}

/** What is known of some bytes. `bytes` is missing above the keep limit. */
export interface FileContent {
  readonly size: number
  readonly md5: string
  readonly sha1: string
  readonly sha256: string
  readonly bytes: Buffer | undefined
}

/** A sample. `content` is undefined for a sample of which only the metadata is known. */
export interface StoredSample {
  readonly id: string
  readonly md5: string
  readonly created: string
  readonly filename: string
  /** Further names under which the same bytes came. */
  readonly filenames: string[]
  description: string | undefined
  content: FileContent | undefined
  readonly sources: SampleSource[]
  readonly relationships: Relationship[]
  /** Ids, in the order in which they were attached. */
  readonly screenshots: string[]
}

/** A network capture. */
export interface StoredPcap {
  readonly id: string
  readonly filename: string
  readonly md5: string
  readonly size: number
  /** Names of its sources. */
  readonly sources: string[]
  readonly relationships: Relationship[]
}

/** A picture of a screen. */
export type StoredScreenshot = Omit<StoredPcap, 'relationships'>

export interface LogLine {
  readonly message: string
  readonly level: string
  readonly datetime: string
}

/** A result row: `subtype`, `result` and the extra fields, which may replace the two. */
export type StoredResult = Readonly<Record<string, BsonValue>>

/** One AnalysisResult document. */
export interface StoredAnalysis {
  readonly id: string
  readonly objectType: 'Sample'
  readonly objectId: string
  status: 'started' | 'completed' | 'error'
  readonly log: LogLine[]
  /** In order of arrival. */
  readonly results: StoredResult[]
  finishDate: string | undefined
  /** Encoded size of the document in bytes. */
  size: number
}

/** The document would exceed MongoDB's limit; nothing of the push is stored. */
export class DocumentTooLarge extends Error {
  readonly code = 'ERR_DOCUMENT_TOO_LARGE'
}

/** Bytes of an AnalysisResult without log and results: ids, names, dates, configuration. */
const EMPTY_ANALYSIS_SIZE = 600

/** Python's `str(datetime.datetime.now())`. */
export function pythonNow(): string {
  return `${new Date().toISOString().replace('T', ' ').replace('Z', '')}000`
}

/** Digests of `bytes`, which are kept. */
export function contentOf(bytes: Buffer): FileContent {
  const digest = (name: string) => createHash(name).update(bytes).digest('hex')
  return { size: bytes.length, md5: digest('md5'), sha1: digest('sha1'), sha256: digest('sha256'), bytes }
}

export class CritsStore {
  readonly samples = new Map<string, StoredSample>()
  readonly analyses = new Map<string, StoredAnalysis>()
  /** Network captures, those included that were sent as samples. */
  readonly pcaps: StoredPcap[] = []
  readonly screenshots: StoredScreenshot[] = []
  readonly #byMd5 = new Map<string, StoredSample>()
  readonly #orders = new Map<string, ResultOrder>()
  readonly #documentLimit: number
  readonly #report: Report

  constructor(documentLimit: number, report: Report) {
    this.#documentLimit = documentLimit
    this.#report = report
  }

  /** The sample that was stored first under this MD5. */
  sampleByMd5(md5: string): StoredSample | undefined {
    return this.#byMd5.get(md5)
  }

  insertSample(md5: string, filename: string, content: FileContent | undefined): StoredSample {
    const sample: StoredSample = {
      id: randomBytes(12).toString('hex'),
      md5,
      created: pythonNow(),
      filename,
      filenames: [],
      description: undefined,
      content,
      sources: [],
      relationships: [],
      screenshots: [],
    }
    this.samples.set(sample.id, sample)
    if (!this.#byMd5.has(md5)) this.#byMd5.set(md5, sample)
    return sample
  }

  /** The capture with these bytes, which now has this source as well. */
  insertPcap(file: { filename: string; md5: string; size: number }, source: string): StoredPcap {
    return insert(this.pcaps, file, source, one => ({ ...one, relationships: [] }))
  }

  insertScreenshot(file: { filename: string; md5: string; size: number }, source: string): StoredScreenshot {
    return insert(this.screenshots, file, source, one => one)
  }

  /** Adds an instance to the source of that name, which is made when the sample does not have it. */
  addSource(sample: StoredSample, name: string, instance: Omit<SourceInstance, 'date'>): void {
    const source = sample.sources.find(known => known.name === name)
    const dated = { ...instance, date: pythonNow() }
    if (source === undefined) sample.sources.push({ name, instances: [dated] })
    else source.instances.push(dated)
  }

  insertAnalysis(id: string, objectId: string): StoredAnalysis {
    const analysis: StoredAnalysis = {
      id,
      objectType: 'Sample',
      objectId,
      status: 'started',
      log: [],
      results: [],
      finishDate: undefined,
      size: EMPTY_ANALYSIS_SIZE,
    }
    this.analyses.set(id, analysis)
    this.#orders.set(id, new ResultOrder(id, this.#report))
    return analysis
  }

  deleteAnalysis(id: string): void {
    this.analyses.delete(id)
    this.#orders.delete(id)
  }

  /** One `$pushAll`: all rows or none. @throws DocumentTooLarge */
  pushResults(analysis: StoredAnalysis, rows: readonly StoredResult[]): void {
    let size = 0
    rows.forEach((row, at) => {
      size += elementSize(analysis.results.length + at, row)
    })
    this.#grow(analysis, size)
    for (const row of rows) {
      this.#orders.get(analysis.id)?.add(row)
      analysis.results.push(row)
    }
  }

  /** @throws DocumentTooLarge */
  pushLog(analysis: StoredAnalysis, message: string, level: string): void {
    const line = { message, level, datetime: pythonNow() }
    this.#grow(analysis, elementSize(analysis.log.length, line))
    analysis.log.push(line)
  }

  #grow(analysis: StoredAnalysis, bytes: number): void {
    if (analysis.size + bytes > this.#documentLimit) {
      throw new DocumentTooLarge(`Resulting document after update is larger than ${this.#documentLimit}`)
    }
    analysis.size += bytes
  }
}

function insert<T extends StoredScreenshot>(
  stored: T[],
  { filename, md5, size }: { filename: string; md5: string; size: number },
  source: string,
  make: (bare: StoredScreenshot) => T,
): T {
  let object = stored.find(one => one.md5 === md5)
  if (!object) {
    object = make({ id: randomBytes(12).toString('hex'), filename, md5, size, sources: [] })
    stored.push(object)
  }
  if (!object.sources.includes(source)) object.sources.push(source)
  return object
}

function elementSize(index: number, value: BsonValue): number {
  return 2 + String(index).length + bsonSize(value)
}

/** Whether one of the sample's sources is among the user's: all that calls about analyses look at. */
export function hasCommonSource(sample: StoredSample, user: CritsUser): boolean {
  return sample.sources.some(source => user.sources.some(({ name }) => name === source.name))
}

/** Whether the user may read the sample: a common source with an instance of a level the user may see. */
export function isVisible(sample: StoredSample, user: CritsUser): boolean {
  return sample.sources.some(source => {
    const right = user.sources.find(({ name }) => name === source.name)
    if (right === undefined) return false
    const highest = TLP_LEVELS.indexOf(right.tlp ?? 'red')
    return source.instances.some(({ tlp }) => TLP_LEVELS.indexOf(tlp) <= highest)
  })
}
