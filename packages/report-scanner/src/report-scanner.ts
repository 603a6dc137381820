// Reads a report of any size in bounded memory: wanted values go to a sink while they come, all else is skipped.
import { abortable } from '@cuckoo-distributed/wait'
import type { CaptureLimits } from './capture.js'
import { isSpace, OPEN_OBJECT } from './json-bytes.js'
import { JsonWalker } from './json-walker.js'
import type { Node } from './node.js'
import { ProcessReader } from './processes.js'
import { ReportError } from './report-error.js'
import { behaviorNode, type HeldNode, infoNode, signaturesNode, targetNode } from './report-schema.js'
import type { ReportSink } from './sink.js'
import { createSkipper, type Skipper } from './skipper.js'

/** What is read of a report. */
export interface ScanOptions {
  /** The sections that are wanted. `target` always is. */
  readonly sections: { readonly info: boolean; readonly signatures: boolean; readonly behavior: boolean }
  /** API calls that are passed on, over all processes; the others are skipped. */
  readonly maxCalls: number
  /**
   * Bytes of one string, as written in the report, at least 256. A longer one is cut and ends in ` [cut: N bytes]`. A call that is still larger than
   * four times this (and than 1 MiB) is dropped.
   */
  readonly maxValueBytes: number
}

/** What a scan found beside the values. */
export interface ScanSummary {
  /** Bytes read. */
  readonly bytes: number
  /** Bytes behind the end of the report, white space before them not counted. Cuckoo leaves such tails when two processes wrote the file. */
  readonly trailingBytes: number
  /** API calls passed on. */
  readonly calls: number
  /** API calls that were left out because they could not be used: no object, too large, or nested too deep. */
  readonly droppedCalls: number
  /** Values that were cut to `maxValueBytes`. */
  readonly cutValues: number
}

const MIB = 1_048_576
const MIN_VALUE_BYTES = 256
const EXCERPT = 200
/** Characters that the note at the end of a cut string takes at most. */
const NOTE = 32
const MARK = [0xef, 0xbb, 0xbf]

/** Push reader for one report: `push` its bytes in pieces of any size, then `end`. */
export class ReportScanner {
  readonly #root: ReadonlyMap<string, Node>
  readonly #limits: CaptureLimits
  readonly #skipper: Skipper
  readonly #held: readonly HeldNode[]
  readonly #processes: ProcessReader
  #walker: JsonWalker | undefined
  #foreign: Buffer | undefined // the first bytes of something that is no JSON object
  #bytes = 0
  #trailing = 0
  #textCuts = 0

  /**
   * `skipper`: how unwanted parts are skipped; by default the fastest way that this machine has.
   * @throws {RangeError} `maxValueBytes` is too small to hold the names that the report is known by
   */
  constructor(options: ScanOptions, sink: ReportSink, skipper: Skipper = createSkipper()) {
    if (!(options.maxValueBytes >= MIN_VALUE_BYTES)) {
      throw new RangeError(`maxValueBytes must be at least ${MIN_VALUE_BYTES}, not ${options.maxValueBytes}`)
    }
    this.#skipper = skipper
    this.#limits = { maxStringBytes: options.maxValueBytes, maxValueBytes: Math.max(4 * options.maxValueBytes, MIB) }
    this.#processes = new ProcessReader(sink, options.maxCalls, text => this.#cut(text))
    const info = infoNode(sink)
    const target = targetNode(sink)
    const { sections } = options
    this.#held = sections.info ? [info, target] : [target]
    const fields = new Map([['target', target.node]])
    if (sections.info) fields.set('info', info.node)
    if (sections.signatures) fields.set('signatures', signaturesNode(sink))
    if (sections.behavior) fields.set('behavior', behaviorNode(sink, this.#processes))
    this.#root = fields
  }

  /**
   * Reads the next bytes; they may be reused afterwards.
   * @throws {ReportError} `not-json` or `syntax`; the scanner cannot be used any more
   */
  push(bytes: Buffer): void {
    let pos = 0
    if (this.#walker === undefined) {
      pos = this.#findStart(bytes)
      if (this.#foreign !== undefined) this.#foreign = Buffer.concat([this.#foreign, bytes.subarray(pos)])
      if (this.#foreign !== undefined && this.#foreign.length >= 4 * EXCERPT) throw this.#notJson(this.#foreign)
      if (bytes[pos] === OPEN_OBJECT && this.#foreign === undefined) {
        this.#walker = new JsonWalker({ fields: this.#root }, this.#limits, this.#skipper, this.#bytes + pos)
      }
    }
    if (this.#walker !== undefined) {
      if (!this.#walker.done) pos += this.#walker.push(bytes.subarray(pos))
      if (this.#walker.done) this.#countTrailing(bytes, pos)
    }
    this.#bytes += bytes.length
  }

  /**
   * The input is complete.
   * @throws {ReportError} `truncated` or `not-json`
   */
  end(): ScanSummary {
    if (this.#foreign !== undefined) throw this.#notJson(this.#foreign)
    if (this.#walker?.done !== true) {
      const message = this.#walker === undefined ? 'it is empty' : 'it ends before its top-level object is closed'
      throw new ReportError('truncated', this.#bytes, message)
    }
    for (const held of this.#held) held.finish()
    return {
      bytes: this.#bytes,
      trailingBytes: this.#trailing,
      calls: this.#processes.calls,
      droppedCalls: this.#processes.droppedCalls,
      cutValues: this.#walker.cuts + this.#textCuts,
    }
  }

  /** The position of the first byte that is neither white space nor of a byte-order mark. */
  #findStart(bytes: Buffer): number {
    if (this.#foreign !== undefined) return 0
    let pos = 0
    while (pos < bytes.length && (isSpace(bytes[pos]) || bytes[pos] === MARK[this.#bytes + pos])) pos++
    if (pos < bytes.length && bytes[pos] !== OPEN_OBJECT) this.#foreign = Buffer.alloc(0)
    return pos
  }

  #notJson(start: Buffer): ReportError {
    const excerpt = start
      .toString('utf8')
      .replace(/[\p{C}\s]+/gu, ' ')
      .slice(0, EXCERPT)
    return new ReportError('not-json', 0, `a JSON object expected, but it begins with: ${excerpt}`)
  }

  #countTrailing(bytes: Buffer, from: number): void {
    let pos = from
    if (this.#trailing === 0) while (pos < bytes.length && isSpace(bytes[pos])) pos++
    this.#trailing += bytes.length - pos
  }

  /** Shortens text that only became too long after parsing: a list written as JSON. */
  #cut(text: string): string {
    const max = this.#limits.maxStringBytes
    if (text.length <= max + NOTE) return text
    this.#textCuts++
    return `${text.slice(0, max).replace(/[\ud800-\udbff]$/, '')} [cut: ${Buffer.byteLength(text)} bytes]`
  }
}

/**
 * Reads a whole report from `chunks`. The sink gets each value as soon as it is complete, `onInfo` and `onTarget` at the end.
 * `signal` ends the waiting for the next chunk.
 * @throws {ReportError} the report is truncated, no JSON object, or broken where it is wanted; values may have reached the sink before
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
