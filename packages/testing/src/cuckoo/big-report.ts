/** Reports of any size, streamed: for tests of limits, memory and speed. */
import { Seeded } from '../archive/seeded.js'
import type { ApiCall } from './behaviour.js'
import { capeCall, capeReport } from './cape-report.js'
import { type CuckooVersion, FLAVOURS } from './flavour.js'
import { PythonFloat, type PythonValue, pythonJson } from './python-json.js'
import { randomCall } from './random-call.js'
import { makeReport, type Report } from './report.js'
import { firstCall, secondCall } from './report-behaviour.js'
import { type SampleFacts, sampleFacts } from './sample.js'

export interface BigReportOptions {
  /** Length of the whole text; calls are added until it is reached, so it ends up to a few kB later. */
  readonly bytes: number
  /** Default 1. The same seed gives the same report. */
  readonly seed?: number
  /** `pretty` as the sandbox writes it (default); `compact`: everything on one line; `minified`: no white space, and nothing escaped that need not be. */
  readonly format?: 'pretty' | 'compact' | 'minified'
  /** Default `1.2`. */
  readonly version?: CuckooVersion | 'CAPE'
  /** The sample the report is about, so that `target.file` fits. Default: made from the seed. */
  readonly sample?: SampleFacts
  /** The task's id. Default 1. */
  readonly id?: number
  /** One string of this many bytes, at a place that nobody wants or in an argument of the first call. Default: none. */
  readonly longString?: { readonly place: 'unwanted' | 'argument'; readonly bytes: number }
}

/** Different calls per report; they repeat with new times and ids. */
const POOL = 600
const CHUNK = 256 * 1024

/**
 * A valid report in which API calls make up the size, in constant memory.
 * Measured: 250 to 450 MB/s.
 */
export async function* bigReport(options: BigReportOptions): AsyncGenerator<Buffer> {
  const { version = '1.2', longString } = options
  const random = new Seeded(options.seed ?? 1)
  const sample =
    options.sample ?? sampleFacts(Buffer.from(Array.from({ length: 400 }, () => random.hex(12)).join('\n')))
  const made =
    version === 'CAPE'
      ? capeReport(sample, { id: options.id ?? 1, calls: 0 })
      : makeReport(sample, { version, id: options.id ?? 1, calls: 0 })
  const report = longString?.place === 'unwanted' ? { ...made, comment: LONG_MARK } : made
  const layout = layoutOf(options)
  const calls = new CallText(random, version, layout, longString?.place === 'argument')
  const limit =
    options.bytes - Buffer.byteLength(layout.text(report, 0)) - (longString ? longString.bytes - LONG_MARK.length : 0)
  const pieces = reportPieces(report, calls, limit, layout)
  yield* chunks(longString === undefined ? pieces : filled(pieces, longString.bytes))
}

/** `pieces` in UTF-8, joined to chunks of a good size. */
function* chunks(pieces: Iterable<string>): Generator<Buffer> {
  let pending: string[] = []
  let length = 0
  for (const text of pieces) {
    pending.push(text)
    length += text.length
    if (length < CHUNK) continue
    yield Buffer.from(pending.join(''))
    pending = []
    length = 0
  }
  yield Buffer.from(pending.join(''))
}

/** The report's text, cut wherever a list of calls is to be filled. */
function* reportPieces(report: Report, calls: CallText, limit: number, layout: Layout): Generator<string> {
  const [start = '', ...rest] = layout.text(report, 0).split(`"calls"${layout.colon}[]`)
  yield start
  for (const text of rest) {
    yield `"calls"${layout.colon}[`
    yield* calls.take(limit / rest.length)
    yield `${layout.lineBreak(4)}]${text}`
  }
}

/** Where the long string is to stand. */
const LONG_MARK = '@long string@'

/** `pieces` with `bytes` letters in the place of the mark. */
function* filled(pieces: Iterable<string>, bytes: number): Generator<string> {
  const letters = 'x'.repeat(CHUNK)
  for (const piece of pieces) {
    const [before = '', after] = piece.split(LONG_MARK)
    yield before
    if (after === undefined) continue
    for (let left = bytes; left > 0; left -= CHUNK) yield letters.slice(0, left)
    yield after
  }
}

/** How values become text. */
interface Layout {
  readonly colon: string
  readonly comma: string
  /** What ends a line before something at `level`. */
  lineBreak(level: number): string
  text(value: PythonValue, level: number): string
}

function layoutOf({ format = 'pretty', version = '1.2' }: BigReportOptions): Layout {
  const breaks = (indent: number) => (level: number) => (indent === 0 ? '' : `\n${' '.repeat(indent * level)}`)
  if (version !== 'CAPE' && format !== 'minified') {
    const indent = format === 'pretty' ? 4 : 0
    const text = (value: PythonValue, level: number) => pythonJson(value, { indent, level })
    return { colon: ': ', comma: ', ', lineBreak: breaks(indent), text }
  }
  // As orjson writes it: kevoreilly/CAPEv2:modules/reporting/jsondump.py.
  const indent = format === 'pretty' ? 2 : 0
  const lineBreak = breaks(indent)
  const text = (value: PythonValue, level: number) =>
    JSON.stringify(value, null, indent).replaceAll('\n', lineBreak(level) || '\n')
  return { colon: indent === 0 ? ':' : ': ', comma: ',', lineBreak, text }
}

/** Where a prepared call takes its time and its id. */
const TIME_MARK = '@time@'
const ID_MARK = 987_654_321
const FLOAT_MARK = 1_234_567_890.125

/** The text of a call, cut where its time and its id belong. */
interface Prepared {
  readonly before: string
  readonly between: string
  readonly after: string
  /** Of the three. */
  readonly bytes: number
}

/** The texts of a pool of calls, ready but for time and id. */
class CallText {
  readonly #pool: readonly Prepared[]
  readonly #layout: Layout
  readonly #version: CuckooVersion | 'CAPE'
  readonly #floats: boolean
  #clock = Date.UTC(2015, 11, 1, 10, 0, 0)
  #first: Prepared | undefined // the first call of all, if it is a special one

  constructor(random: Seeded, version: CuckooVersion | 'CAPE', layout: Layout, long: boolean) {
    this.#version = version
    this.#floats = version !== 'CAPE' && FLAVOURS[version].behaviour === 2
    this.#layout = layout
    this.#pool = Array.from({ length: POOL }, () => this.#prepare(randomCall(random)))
    if (long) this.#first = this.#prepare({ ...randomCall(random), inputs: [['Buffer', 'buffer', LONG_MARK]] })
  }

  #prepare(call: ApiCall): Prepared {
    const make = this.#version === 'CAPE' ? capeCall : firstCall
    const value = this.#floats ? secondCall(call, new PythonFloat(FLOAT_MARK)) : make(call, ID_MARK, TIME_MARK)
    const text = this.#layout.text(value, 5)
    const [before = '', rest = ''] = text.split(this.#floats ? String(FLOAT_MARK) : TIME_MARK)
    const [between = '', after = ''] = this.#floats ? [rest] : rest.split(String(ID_MARK))
    return { before, between, after, bytes: Buffer.byteLength(before + between + after) }
  }

  /** Calls with ids from 0, until their text has `length` bytes. */
  *take(length: number): Generator<string> {
    const start = this.#layout.lineBreak(5)
    const comma = `${this.#layout.comma}${start}`
    for (let written = 0, id = 0; written < length; id++) {
      const call = this.#first ?? this.#pool[id % POOL]
      if (call === undefined) return
      this.#first = undefined
      const [lead, time, number] = [id === 0 ? start : comma, this.#time(), this.#floats ? '' : String(id)]
      written += lead.length + call.bytes + time.length + number.length
      yield `${lead}${call.before}${time}${call.between}${number}${call.after}`
    }
  }

  #time(): string {
    this.#clock += 7
    if (this.#floats) return `${Math.floor(this.#clock / 1000)}.${String(this.#clock % 1000).padStart(3, '0')}1`
    const text = new Date(this.#clock).toISOString()
    return `${text.slice(0, 10)} ${text.slice(11, 19)},${text.slice(20, 23)}`
  }
}
