/** Reports on disk: complete under their final name, or not there. */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Fault } from '@cuckoo-distributed/http'
import { ReportScanner, type ReportSink } from '@cuckoo-distributed/report-scanner'
import { syncDirectory } from '@cuckoo-distributed/staging'

const PARTIAL = '.partial-'

/** Fewer bytes a second than any line in use carries. A node that drips would hold its only connection for days. */
const MIN_RATE = 4096

/** The answer drips. */
export class SlowReportError extends Error {
  readonly code = 'SLOW_REPORT'
  override readonly name = 'SlowReportError'
  readonly fault: Fault = 'doubtful'
}

/** The JSON report is about another file than the one that was sent. */
export class ForeignReportError extends Error {
  readonly code = 'FOREIGN_REPORT'
  override readonly name = 'ForeignReportError'
}

/** What is to be stored, as an `HttpResponse` has it. */
export interface Body {
  stream(limit: number): AsyncIterable<Buffer>
  discard(): void
}

export interface Expected {
  readonly format: string
  /** Bytes a report may have. */
  readonly limit: number
  /** Of the task's sample; null for a URL. */
  readonly sha256: string | null
  /** Milliseconds over which the rate is measured. */
  readonly patienceMs: number
  readonly onPiece: () => void
  /** May throw, and the report does not get its name. */
  readonly beforeRename: () => void
}

/** Makes the directory for a task's reports, empties it of partial files, and has it on disk. */
export async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const names = await readdir(folder)
  for (const name of names.filter(name => name.startsWith(PARTIAL))) await rm(join(folder, name), { force: true })
  await syncDirectory(dirname(folder))
}

/**
 * Reads the answer to its end into `report.<format>` and resolves with its size. Under that name the file is complete and on
 * disk. A JSON report must be a whole JSON object, about this sample if it names one.
 *
 * @throws what `HttpResponse.stream` throws, SlowReportError, JsonError, ForeignReportError, and errors of the file system; nothing
 * is left then.
 */
export async function storeReport(response: Body, folder: string, expected: Expected): Promise<number> {
  const partial = join(folder, `${PARTIAL}${randomUUID()}`)
  try {
    const size = await write(response, partial, expected)
    expected.beforeRename()
    await rename(partial, join(folder, `report.${expected.format}`))
    return size
  } catch (error: unknown) {
    response.discard()
    await rm(partial, { force: true })
    throw error
  }
}

async function write(response: Body, path: string, expected: Expected): Promise<number> {
  const { format, limit, sha256 } = expected
  const file = await open(path, 'wx', 0o600)
  const check = format === 'json' ? new JsonCheck(sha256) : undefined
  let size = 0
  try {
    for await (const chunk of steady(response.stream(limit), expected.patienceMs)) {
      expected.onPiece()
      check?.push(chunk)
      await file.writeFile(chunk)
      size += chunk.length
    }
    check?.end()
    await file.sync()
  } finally {
    await file.close()
  }
  return size
}

/** The chunks as they are, as long as enough of them come. */
async function* steady(chunks: AsyncIterable<Buffer>, ms: number): AsyncGenerator<Buffer, void, undefined> {
  let since = performance.now()
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    const passed = performance.now() - since
    if (passed >= ms) {
      if (bytes < (MIN_RATE * passed) / 1000)
        throw new SlowReportError(`${bytes} bytes of it came in ${Math.round(passed)} ms`)
      since = performance.now()
      bytes = 0
    }
    yield chunk
  }
}

/** Reads nothing out of a report but whose it is: that of the file, or of one that CAPE took out of it. */
class JsonCheck {
  readonly #sha256: string | null
  readonly #scanner: ReportScanner
  #target = ''
  #parent = ''

  constructor(sha256: string | null) {
    this.#sha256 = sha256
    const sink: ReportSink = {
      onTarget: target => {
        this.#target = target.sha256.toLowerCase()
      },
      onInfo: ({ parent }) => {
        this.#parent = parent?.sha256.toLowerCase() ?? ''
      },
    }
    this.#scanner = new ReportScanner({ sections: {}, maxCalls: 0, maxValueBytes: 1024 }, sink)
  }

  push(chunk: Buffer): void {
    this.#scanner.push(chunk)
  }

  end(): void {
    this.#scanner.end()
    if (this.#sha256 === null || this.#target === '' || [this.#target, this.#parent].includes(this.#sha256)) return
    throw new ForeignReportError('the report is about another file than the one that was sent')
  }
}
