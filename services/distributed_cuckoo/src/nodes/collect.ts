/** Fetching the results of a task that its node has reported. */
import { rm } from 'node:fs/promises'
import { describeError } from '@cuckoo-distributed/core'
import { ServerAwayError } from '@cuckoo-distributed/http'
import { JsonError } from '@cuckoo-distributed/report-scanner'
import { EndpointOffError } from '@cuckoo-distributed/sandbox-client'
import { syncDirectory } from '@cuckoo-distributed/staging'
import { delay, linkedController } from '@cuckoo-distributed/wait'
import { ForeignReportError, prepareFolder, storeReport } from '../files/report-file.js'
import type { Report } from '../store/model.js'
import type { Fetch } from '../store/store.js'
import { download, isArtifact } from './download.js'
import type { Copy, NodeSession } from './session.js'
import { troubleOf } from './trouble.js'

/** Always fetched, besides the configured formats: what the pipeline reads. */
export const ALWAYS_FETCHED: readonly string[] = ['json', 'dropped']

/**
 * How it went: `settled` when the node's copy is of no more use, `later` when another copy or another process is at it, otherwise
 * why something is missing that may come yet.
 */
export type Collected = 'settled' | 'later' | { readonly problem: string }

const ABSENT = 'the node does not have it'
const LOOK_MS = 1000
const MAX_REASON = 500
const UNWANTED = new Error('the reports are not wanted any more')
const OVER = new Error('the fetch is over')

/**
 * Fetches all formats completely, those of a task that is finished or failed only if they are missing, and finishes the task. With
 * `last` it is finished with what there is, if that is any report.
 *
 * @throws ServerAwayError, and what is wrong with our own disk or database; the task is to be fetched again then.
 */
export async function collect(
  session: NodeSession,
  copy: Copy,
  how: Pick<Job, 'last' | 'runningOn'>,
  signal: AbortSignal,
): Promise<Collected> {
  const { store, fetching } = session
  if (fetching.has(copy.taskId)) return 'later'
  fetching.add(copy.taskId)
  try {
    const fetch = await store.dispatch.beginFetch(copy.id)
    if (fetch === undefined) return 'later'
    const job = { copy, fetch, ...how }
    return await whileWanted(session, job, signal, wanted => fetchAndStore(session, job, wanted))
  } finally {
    fetching.delete(copy.taskId)
  }
}

/** Ends the work when a client has deleted the task, or another copy has finished it, in whichever process. */
async function whileWanted(
  { store }: NodeSession,
  { copy, fetch }: Job,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Collected>,
): Promise<Collected> {
  using linked = linkedController(signal)
  const { controller } = linked
  const watch = async () => {
    await delay(LOOK_MS, controller.signal)
    // Most take less, and are not worth a write of their own.
    if (!fetch.late) await store.dispatch.fetching(copy.id)
    while (await store.dispatch.isWanted(copy.id)) await delay(LOOK_MS, controller.signal)
    controller.abort(UNWANTED)
  }
  // It ends with the work, or with a failing database, of which the work hears as well.
  watch().catch(() => {})
  try {
    return await work(controller.signal)
  } catch (error: unknown) {
    if (controller.signal.reason !== UNWANTED) throw error
    return 'settled'
  } finally {
    controller.abort(OVER)
  }
}

interface Job {
  readonly copy: Copy
  readonly fetch: Fetch
  readonly last: boolean
  /** When the node was first seen to run it. */
  readonly runningOn: number | undefined
}

async function fetchAndStore(session: NodeSession, job: Job, signal: AbortSignal): Promise<Collected> {
  const { store, files, node, log } = session
  const { copy, fetch, last } = job
  const folder = files.reportDirectory(copy.taskId)
  try {
    await files.reports.check()
    await prepareFolder(folder)
    const reports = await fetchAll(session, job, folder, signal)
    const problem = problemOf(reports, fetch)
    if (problem !== undefined)
      log.warn({ task: copy.taskId, node: node.name, problem, last }, 'reports could not be fetched')
    const isEnough = problem === undefined || (hasReport(reports, fetch) && (last || fetch.late))
    if (!isEnough) {
      if (!fetch.late) await store.dispatch.fetchFailed(copy.id, `node ${node.name}: ${problem}`)
      return { problem: problem ?? '' }
    }
    await syncDirectory(folder)
    await files.confirmReports(copy.taskId, reports)
    if (!(await keep(session, job, reports))) return abandon(session, copy)
    return problem === undefined ? 'settled' : { problem }
  } catch (error: unknown) {
    if (signal.reason === UNWANTED) await abandon(session, copy)
    else if (!signal.aborted && !fetch.late) {
      await store.dispatch.fetchFailed(copy.id, `node ${node.name}: ${describeError(error)}`)
    }
    return files.reports.blame(error)
  }
}

async function keep(
  { store, node, log }: NodeSession,
  { copy, fetch, runningOn }: Job,
  reports: readonly Report[],
): Promise<boolean> {
  const { dispatch } = store
  const now = store.now()
  const isKept = await (fetch.late
    ? dispatch.amend(copy.id, reports, now, runningOn)
    : dispatch.finish(copy.id, reports, now, runningOn))
  if (isKept) log.info({ task: copy.taskId, node: node.name, late: fetch.late }, 'task finished')
  return isKept
}

/** Removes what was fetched of a task that is gone. One that is there belongs to whoever finished it meanwhile, with its folder. */
async function abandon({ store, files, leadership }: NodeSession, { taskId }: Copy): Promise<Collected> {
  if ((await store.tasks.get(taskId)) !== undefined) return 'later'
  await files.reports.check()
  leadership.look()
  await rm(files.reportDirectory(taskId), { recursive: true, force: true })
  return 'settled'
}

function problemOf(reports: readonly Report[], fetch: Fetch): string | undefined {
  const missing = reports.find(({ retry }) => retry)
  if (missing !== undefined) return `${missing.format}: ${missing.reason}`
  return hasReport(reports, fetch) ? undefined : 'it has no report'
}

/** The archive of dropped files is no report: some servers give an empty one for whatever they are asked. */
function hasReport(reports: readonly Report[], { settled }: Fetch): boolean {
  return settled.length > 0 || reports.some(({ format, size }) => format !== 'dropped' && size !== null)
}

async function fetchAll(session: NodeSession, { copy, fetch }: Job, folder: string, signal: AbortSignal) {
  const reports: Report[] = []
  for (const format of new Set([...ALWAYS_FETCHED, ...session.config.ReportFormats])) {
    if (fetch.settled.includes(format)) continue
    try {
      const fetchIt = (inner: AbortSignal) => fetchOne(session, copy, { folder, format }, inner)
      const size = await session.availability.attempt(signal, fetchIt)
      reports.push({ format, size, reason: size === null ? ABSENT : null, retry: false })
    } catch (error: unknown) {
      if (signal.aborted || !isOfNode(error)) throw error
      // Whoever runs the node has switched it off: that is respected, and the copy does not stay for it.
      const retry = !(error instanceof EndpointOffError && (isArtifact(format) || format === 'memory'))
      reports.push({ format, size: null, reason: describeError(error).slice(0, MAX_REASON), retry })
    }
  }
  return reports
}

async function fetchOne(
  session: NodeSession,
  { nodeTaskId, sha256 }: Copy,
  { folder, format }: { readonly folder: string; readonly format: string },
  signal: AbortSignal,
): Promise<number | null> {
  const { client, config, patience, leadership, onContact } = session
  onContact()
  const response = await download(client, nodeTaskId, format, signal)
  if (response === undefined) return null
  const hooks = { onPiece: onContact, beforeRename: () => leadership.look() }
  const expected = { format, limit: config.MaxReport, sha256, patienceMs: patience.reportMs, ...hooks }
  return storeReport(response, folder, expected)
}

/** The node answered, but not with a report that can be used. */
function isOfNode(error: unknown): boolean {
  const isUnusable = error instanceof ForeignReportError || error instanceof JsonError
  return isUnusable || (!(error instanceof ServerAwayError) && troubleOf(error) !== undefined)
}
