// Reads a report to its end, into rows. Nothing is posted before.
import { ServiceError } from '@cuckoo-distributed/core'
import { RowStore, VALUE_CHARS_MAX } from '@cuckoo-distributed/crits-client'
import { type ScanSummary, scanReport } from '@cuckoo-distributed/report-scanner'
import { backOff, delay } from '@cuckoo-distributed/wait'
import { type Analysis, mayBeSample, TaskGoneError, WrongSampleError } from './analysis.js'
import { download, isIncomplete } from './calls.js'
import { type Parser, webUrlOf } from './config.js'
import { ReportRows } from './report-rows.js'

/** More than any report on record; a bound for a server that never ends. */
const REPORT_BYTES_MAX = 64 * 1024 ** 3

/** A report may be missing or half written for a moment after `reported`: network storage, or two writers. */
const TRIES = 5

export interface ReadReport {
  readonly store: RowStore
  readonly summary: ScanSummary
  readonly rows: ReportRows
}

/**
 * The rows of the analysis' report.
 * Throws TaskGoneError, WrongSampleError, ServiceError (NO_REPORT, NOT_A_REPORT), HttpError and JsonError.
 */
export async function readReport(analysis: Analysis): Promise<ReadReport> {
  const { context, config } = analysis
  // 2, 4, 8 and 16 s; all of them must pass before HoldLimit sends the message back to begin anew.
  const initialMs = Math.min(2_000, (config.HoldLimit * 1000) / 30)
  const pauses = backOff({ initialMs, maxMs: 30_000 })
  for (let attempt = 1; ; attempt += 1) {
    try {
      const report = await download(analysis, () => readOnce(analysis))
      if (report) {
        requireSameSample(analysis, report.rows)
        return report
      }
      if (attempt === TRIES) throw await whyMissing(analysis, 'report')
    } catch (error: unknown) {
      if (attempt === TRIES || !isIncomplete(error)) throw error
      context.log.info({ err: error }, 'the report is incomplete; reading it again')
    }
    await delay(pauses.next(), context.waiting)
  }
}

async function readOnce(analysis: Analysis): Promise<ReadReport | undefined> {
  const { task, context, cuckoo, config, storedBytes } = analysis
  const wants = (parser: Parser) => config.EnabledParsers.includes(parser)
  // A report without processes has no detections either: kevoreilly/CAPEv2:modules/reporting/litereport.py.
  const withoutProcesses = !wants('behavior') && !wants('detections')
  const response = await cuckoo.client.report(task.taskId, context.working, { withoutProcesses })
  if (!response) return undefined
  const store = new RowStore({ storedBytes })
  const rows = new ReportRows(store, { parsers: config.EnabledParsers, webUrl: webUrlOf(config, task.cuckooUrl) })
  const options = {
    sections: {
      signatures: wants('signatures'),
      behavior: wants('behavior'),
      network: wants('network'),
      configs: wants('configs'),
      detections: wants('detections'),
      files: wants('dropped') || wants('payloads') || wants('procdump'),
    },
    maxCalls: config.PushApiCallsMax,
    maxValueBytes: VALUE_CHARS_MAX,
    signal: context.working,
  }
  const summary = await scanReport(response.stream(REPORT_BYTES_MAX), options, rows)
  // Other JSON objects are an error of Cuckoo, or of a proxy, with status 200.
  if (summary.sections.length === 0) {
    throw new ServiceError('NOT_A_REPORT', `what Cuckoo sent for task ${task.taskId} has no section of a report`)
  }
  return { store, summary, rows }
}

/** CAPE may analyse a file that it took out of the sample: then the sample is that file's parent. */
function requireSameSample(analysis: Analysis, { target, info }: ReportRows): void {
  const found = target?.md5
  if (!found || mayBeSample(analysis, found) || (info?.parent && mayBeSample(analysis, info.parent.md5))) return
  throw new WrongSampleError(analysis.task, found)
}

/** A 404 may be a hiccup of Cuckoo's database, so the task itself has the last word. */
export async function whyMissing(analysis: Analysis, what: string): Promise<Error> {
  const { task, context, cuckoo } = analysis
  const view = await download(analysis, () => cuckoo.client.viewTask(task.taskId, context.working))
  if (!view) return new TaskGoneError(task.taskId)
  const reasons = view.errors.length > 0 ? `; Cuckoo says: ${view.errors.join('; ').slice(0, 500)}` : ''
  return new ServiceError('NO_REPORT', `task ${task.taskId} is "${view.status}" but has no ${what}${reasons}`)
}
