// Reads a report to its end, into rows. Nothing is posted before.
import { holdLimitMs, ServiceError } from '@cuckoo-distributed/core'
import { RowStore, VALUE_CHARS_MAX } from '@cuckoo-distributed/crits-client'
import { type ScanSummary, scanReport } from '@cuckoo-distributed/report-scanner'
import { backOff, delay } from '@cuckoo-distributed/wait'
import { type Analysis, mayBeSample, partsOf, TaskGoneError, WrongSampleError } from './analysis.js'
import { download, isIncomplete } from './calls.js'
import { type Parser, webUrlOf } from './config.js'
import { ReportRows } from './report-rows.js'

/** More than any report on record; a bound for a server that never ends. */
const REPORT_BYTES_MAX = 64 * 1024 ** 3

/** A report may be missing or half written for a moment after `reported`: network storage, or two writers. */
const TRIES = 5

export interface ReadReport {
  readonly taskId: number
  readonly store: RowStore
  readonly summary: ScanSummary
  readonly rows: ReportRows
}

/** The first report; further ones, in the same store, where one sample has several tasks; and why a task has none. */
export interface ReadReports extends ReadReport {
  readonly more: readonly ReadReport[]
  readonly absent: readonly Error[]
}

/**
 * The rows of the analysis' report, or reports.
 * Throws TaskGoneError, WrongSampleError, ServiceError (NO_REPORT, NOT_A_REPORT), HttpError and JsonError.
 */
export async function readReport(analysis: Analysis): Promise<ReadReports> {
  const { context, config } = analysis
  // 2, 4, 8 and 16 s; all of them must pass before HoldLimit sends the message back to begin anew.
  const initialMs = Math.min(2_000, holdLimitMs(config) / 30)
  const pauses = backOff({ initialMs, maxMs: 30_000 })
  for (let attempt = 1; ; attempt += 1) {
    try {
      const report = await readAll(analysis, attempt === TRIES)
      if (report) return report
    } catch (error: unknown) {
      if (attempt === TRIES || !isIncomplete(error)) throw error
      context.log.info({ err: error }, 'the report is incomplete; reading it again')
    }
    await delay(pauses.next(), context.waiting)
  }
}

/** Undefined: one is missing, and may still come. Rejects as `readReport` if none of them `isLastTry` finds. */
async function readAll(analysis: Analysis, isLastTry: boolean): Promise<ReadReports | undefined> {
  const store = new RowStore({ storedBytes: analysis.storedBytes })
  const reports: ReadReport[] = []
  const absent: Error[] = []
  for (const part of partsOf(analysis)) {
    const report = await download(part, () => readOnce(part, store))
    if (report) {
      requireSameSample(part, report.rows)
      reports.push(report)
    } else if (isLastTry || (await isSurelyMissing(analysis, part))) absent.push(await whyMissing(part, 'report'))
    else return undefined
  }
  const [first, ...more] = reports
  if (first === undefined) throw absent[0] ?? new TaskGoneError(analysis.task.taskId)
  for (const { rows } of more) first.rows.stored.addAll(rows.stored)
  return { ...first, more, absent }
}

async function readOnce(analysis: Analysis, store: RowStore): Promise<ReadReport | undefined> {
  const { task, context, cuckoo, config } = analysis
  const wants = (parser: Parser) => config.EnabledParsers.includes(parser)
  // A report without processes has no detections either: kevoreilly/CAPEv2:modules/reporting/litereport.py.
  const withoutProcesses = !wants('behavior') && !wants('detections')
  const response = await cuckoo.client.report(task.taskId, context.working, { withoutProcesses })
  if (!response) return undefined
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
  return { taskId: task.taskId, store, summary, rows }
}

/** Of several tasks some may have failed; check_results has let them pass for the sake of the others. */
async function isSurelyMissing({ task }: Analysis, part: Analysis): Promise<boolean> {
  if (task.others === undefined || task.others.length === 0) return false
  const view = await download(part, () => part.cuckoo.client.viewTask(part.task.taskId, part.context.working))
  return view !== undefined && view.phase !== 'reported'
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
