// Reads a report of any size in bounded memory: wanted values go to a sink while they come, all else is skipped.
import { JsonError, JsonReader } from '@cuckoo-distributed/json-scanner'
import { abortable } from '@cuckoo-distributed/wait'
import { ProcessReader } from './processes.js'
import { reportSchema, type WantedSections } from './report-schema.js'
import type { ReportSink } from './sink.js'
import { Unread } from './unread.js'

/** What is read of a report. */
export interface ScanOptions {
  /** The sections that are wanted. Who and what the report is about, how it ended and what went wrong always is. */
  readonly sections: WantedSections
  /** API calls that are passed on, over all processes; the others are skipped. */
  readonly maxCalls: number
  /**
   * Bytes of one string, as written in the report, at least 256. A longer one is cut and ends in ` [cut: N bytes]`. A call that is still larger than
   * four times this (and than 1 MiB) is left out.
   */
  readonly maxValueBytes: number
}

/** What a scan found beside the values. */
export interface ScanSummary {
  /** Bytes read. */
  readonly bytes: number
  /** Bytes behind the end of the report, white space before them not counted. Cuckoo leaves such tails when two processes wrote the file. */
  readonly trailingBytes: number
  /** Names of the sections that only reports have, whether wanted or not. Without any, the document is something else. */
  readonly sections: readonly string[]
  /** API calls passed on. */
  readonly calls: number
  /** How many values were left out, by a sentence about them: `API calls could not be read: no objects`, or the limit that they exceed. */
  readonly unread: ReadonlyMap<string, number>
  /** Values that were cut to `maxValueBytes`. */
  readonly cutValues: number
}

const MIB = 1_048_576
const MIN_VALUE_BYTES = 256
const EXCERPT = 200
/** Characters that the note at the end of a cut string takes at most. */
const NOTE = 32

/** Push reader for one report: `push` its bytes in pieces of any size, then `end`. */
export class ReportScanner {
  readonly #reader: JsonReader
  readonly #processes: ProcessReader
  readonly #unread = new Unread()
  readonly #sections: string[] = []
  readonly #maxValueBytes: number
  #textCuts = 0

  /** @throws {RangeError} `maxValueBytes` is too small to hold the names that the report is known by */
  constructor({ sections, maxCalls, maxValueBytes }: ScanOptions, sink: ReportSink) {
    if (!(maxValueBytes >= MIN_VALUE_BYTES)) {
      throw new RangeError(`maxValueBytes must be at least ${MIN_VALUE_BYTES}, not ${maxValueBytes}`)
    }
    this.#maxValueBytes = maxValueBytes
    const unread = this.#unread
    this.#processes = new ProcessReader(sink, unread, maxCalls, text => this.#cut(text))
    const onSection = (name: string): void => void this.#sections.push(name)
    const schema = reportSchema(sections, { sink, unread, processes: this.#processes, onSection })
    const limits = { maxStringBytes: maxValueBytes, maxValueBytes: Math.max(4 * maxValueBytes, MIB) }
    this.#reader = new JsonReader(schema, { ...limits, document: 'report' })
  }

  /**
   * Reads the next bytes; they may be reused afterwards.
   * @throws {JsonError} all codes but `truncated`; the scanner cannot be used any more. `not-json` quotes what is there: an error page, mostly
   */
  push(bytes: Buffer): void {
    const before = this.#reader.bytes
    try {
      this.#reader.push(bytes)
    } catch (error: unknown) {
      if (!(error instanceof JsonError) || error.code !== 'not-json') throw error
      const text = bytes.toString('utf8', error.offset - before, error.offset - before + 4 * EXCERPT)
      const excerpt = text.replace(/[\p{C}\s]+/gu, ' ').slice(0, EXCERPT)
      throw new JsonError(error.code, error.offset, `${error.problem}, but it begins with: ${excerpt}`, 'report')
    }
  }

  /**
   * The input is complete.
   * @throws {JsonError} `truncated`
   */
  end(): ScanSummary {
    this.#reader.end()
    const { bytes, trailingBytes, cuts } = this.#reader
    const { calls } = this.#processes
    const cutValues = cuts + this.#textCuts
    return { bytes, trailingBytes, sections: this.#sections, calls, unread: this.#unread.counts, cutValues }
  }

  /** Shortens text that only became too long after parsing: a list written as JSON. */
  #cut(text: string): string {
    const max = this.#maxValueBytes
    if (text.length <= max + NOTE) return text
    this.#textCuts++
    return `${text.slice(0, max).replace(/[\ud800-\udbff]$/, '')} [cut: ${Buffer.byteLength(text)} bytes]`
  }
}

/**
 * Reads a whole report from `chunks`. The sink gets each value as soon as it is complete.
 * `signal` ends the waiting for the next chunk.
 * @throws {JsonError} the report is truncated, no JSON object, or broken where it is wanted; values may have reached the sink before
 * @throws the reason of `signal`; what `chunks` or the sink throws
 */
export async function scanReport(
  chunks: AsyncIterable<Buffer>,
  options: ScanOptions & { readonly signal?: AbortSignal },
  sink: ReportSink,
): Promise<ScanSummary> {
  const scanner = new ReportScanner(options, sink)
  for await (const chunk of abortable(chunks, options.signal)) scanner.push(chunk)
  return scanner.end()
}
