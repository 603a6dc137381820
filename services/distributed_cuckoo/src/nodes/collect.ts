/** Fetching the results of a task that its node has reported. */
import { rm } from 'node:fs/promises'
import { describeError } from '@cuckoo-distributed/core'
import type { HttpResponse } from '@cuckoo-distributed/http'
import { JsonError } from '@cuckoo-distributed/report-scanner'
import { syncDirectory } from '@cuckoo-distributed/staging'
import { ForeignReportError, prepareFolder, storeReport } from '../files/report-file.js'
import type { Report, Submission } from '../store/model.js'
import type { NodeSession } from './session.js'
import { concernsWholeNode } from './trouble.js'

/** Always fetched, besides the configured formats: what the pipeline reads. */
export const ALWAYS_FETCHED: readonly string[] = ['json', 'dropped']

/**
 * How it went: `stored` (or not wanted any more), `later` when another copy or another process is at it, `incomplete` when it is
 * to be tried again.
 */
const ABSENT = 'the node does not have it'

export type Collected = 'stored' | 'later' | 'incomplete'

/**
 * Fetches all formats completely and finishes the task. A format that the node does not have is recorded as such. With `last`, a
 * format that cannot be fetched counts as one the node does not have, and a task without any report fails.
 *
 * @throws what is wrong with the whole node, or with our own disk or database; the task is to be fetched again then.
 */
export async function collect(
  session: NodeSession,
  submission: Submission & { readonly nodeTaskId: number },
  { last }: { readonly last: boolean },
  signal: AbortSignal,
): Promise<Collected> {
  const { store, files, node, log } = session
  const { dispatch } = store
  if (!(await dispatch.beginFetch(submission.id))) return 'later'
  const folder = files.reportDirectory(submission.taskId)
  try {
    await prepareFolder(folder)
    const fetched = await fetchAll(session, submission, folder, signal)
    const problem = problemOf(fetched)
    if (problem !== undefined) {
      const reason = `node ${node.name}: ${problem}`
      log.warn({ task: submission.taskId, node: node.name, reason, last }, 'reports could not be fetched')
      if (!last) {
        await dispatch.fetchFailed(submission.id, reason)
        return 'incomplete'
      }
      if (!hasReport(fetched)) {
        await dispatch.fail(submission.taskId, reason, Date.now())
        return 'stored'
      }
    }
    await syncDirectory(folder)
    return await finish(session, submission, fetched.reports)
  } catch (error: unknown) {
    if (!signal.aborted) await dispatch.fetchFailed(submission.id, `node ${node.name}: ${describeError(error)}`)
    throw error
  }
}

async function finish(
  { store, files, node, log }: NodeSession,
  { id, taskId }: Submission,
  reports: readonly Report[],
): Promise<Collected> {
  if (await store.dispatch.finish(id, reports, Date.now())) {
    log.info({ task: taskId, node: node.name }, 'task finished')
    return 'stored'
  }
  // A former leader may have finished or given back the same task: then the folder is not ours to remove.
  if ((await store.tasks.get(taskId)) !== undefined) return 'later'
  await rm(files.reportDirectory(taskId), { recursive: true, force: true })
  return 'stored'
}

interface Fetched {
  readonly reports: readonly Report[]
  /** Why one of them, which is then said to be missing, could not be fetched. */
  readonly problem: string | undefined
}

function problemOf(fetched: Fetched): string | undefined {
  return fetched.problem ?? (hasReport(fetched) ? undefined : 'it has no report')
}

/** The archive of dropped files is no report: some servers give an empty one for whatever they are asked. */
function hasReport({ reports }: Fetched): boolean {
  return reports.some(({ format, size }) => format !== 'dropped' && size !== null)
}

async function fetchAll(
  session: NodeSession,
  submission: Submission & { readonly nodeTaskId: number },
  folder: string,
  signal: AbortSignal,
): Promise<Fetched> {
  const reports: Report[] = []
  let problem: string | undefined
  for (const format of new Set([...ALWAYS_FETCHED, ...session.config.ReportFormats])) {
    try {
      const size = await fetchOne(session, submission, { folder, format }, signal)
      reports.push({ format, size, reason: size === null ? ABSENT : null, retry: false })
    } catch (error: unknown) {
      if (signal.aborted || !isAnswer(error)) throw error
      problem ??= `${format}: ${describeError(error)}`
      reports.push({ format, size: null, reason: describeError(error), retry: true })
    }
  }
  return { reports, problem }
}

async function fetchOne(
  { client, config }: NodeSession,
  { nodeTaskId, sha256 }: Submission & { readonly nodeTaskId: number },
  { folder, format }: { readonly folder: string; readonly format: string },
  signal: AbortSignal,
): Promise<number | null> {
  const response: HttpResponse | undefined =
    format === 'dropped'
      ? await client.dropped(nodeTaskId, {}, signal)
      : await client.reportAs(nodeTaskId, format, signal)
  if (response === undefined) return null
  return storeReport(response, folder, { format, limit: config.MaxReport, sha256 })
}

/** The node answered, but not with a report that can be used. */
function isAnswer(error: unknown): boolean {
  const unusable = error instanceof ForeignReportError || error instanceof JsonError
  return unusable || !concernsWholeNode(error)
}
