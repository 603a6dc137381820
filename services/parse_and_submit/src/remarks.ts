// What CRITs' log is told about a report.
import type { LogLevel } from '@cuckoo-distributed/crits-client'
import type { Analysis } from './analysis.js'
import type { ReadReport, ReadReports } from './report.js'

interface Remark {
  readonly level: LogLevel
  readonly text: string
}

type Told = Pick<Analysis, 'task' | 'config'> & Pick<ReadReport, 'store'>

/** About all reports, and about tasks that have none. */
export function remarks(analysis: Told, { more, absent, ...first }: ReadReports): Remark[] {
  const { task } = analysis
  const told = [first, ...more].flatMap(report =>
    aboutReport({ ...analysis, task: { ...task, taskId: report.taskId } }, report),
  )
  return [...told, ...absent.map(({ message }) => warning(`its results are left out: ${message}`))]
}

function aboutReport(analysis: Told, report: ReadReport): Remark[] {
  const { bytes } = report.summary
  const list = [info(`report of ${bytes} bytes read`), ...aboutRun(analysis, report), ...leftOut(report)]
  return list.map(({ level, text }) => ({ level, text: `Cuckoo task ${analysis.task.taskId}: ${text}` }))
}

/** What was analysed, and how it went. */
function aboutRun({ task, config }: Told, { summary, rows }: ReadReport): Remark[] {
  const { info: about, target, status, errors, moreErrors } = rows
  const list: Remark[] = []
  const isMissing = (section: string) => !summary.sections.includes(section)
  if (isMissing('info')) list.push(warning('the report has no "info"'))
  if (isMissing('behavior') && config.EnabledParsers.includes('behavior')) {
    list.push(warning('the report has no "behavior"'))
  }
  if (about?.package) list.push(info(`analysed with the package ${JSON.stringify(about.package)}`))
  // Once more under another id after a restart of the sandbox, or on a node behind a distributed_cuckoo.
  if (about?.id && about.id !== String(task.taskId)) list.push(info(`the report is that of analysis ${about.id}`))
  if (about?.parent) {
    const file = target ? ` with MD5 ${target.md5}` : ''
    list.push(info(`the sample is an archive: the file${file} was taken out of it and analysed in its place`))
  }
  if (status === 'Failed') list.push(warning('the sample never ran ("malstatus" is "Failed")'))
  for (const error of errors) list.push(warning(`the sandbox reports an error: ${error}`))
  if (moreErrors > 0) list.push(warning(`the sandbox reports ${moreErrors} more errors`))
  return list
}

function leftOut({ store, summary, rows }: ReadReport): Remark[] {
  const counted: [number, string][] = [
    [summary.trailingBytes, 'bytes after the end of the report were ignored'],
    ...[...summary.unread].map(([sentence, count]): [number, string] => [count, sentence]),
    [summary.cutValues + store.cutValues, 'long values were cut'],
    ...[...rows.leftOut].map(([subtype, count]): [number, string] => [
      count,
      `${subtype} rows left out: an analysis holds 12 MB`,
    ]),
  ]
  return counted.filter(([count]) => count > 0).map(([count, what]) => warning(`${count} ${what}`))
}

const info = (text: string): Remark => ({ level: 'info', text })
const warning = (text: string): Remark => ({ level: 'warning', text })
