// One round of work on an analysis, in a place: what is not done yet is read and sent, in the order CRITs shows it.
import { type Afterwards, done, forward, type Outcome, PermanentError } from '@cuckoo-distributed/core'
import { RowStore, submitRows } from '@cuckoo-distributed/crits-client'
import { type Analysis, type Round, TaskGoneError, WrongSampleError } from './analysis.js'
import { tell } from './calls.js'
import { nextQueue, priorProgress } from './chain.js'
import { cleanUp } from './clean-up.js'
import { isInReport } from './config.js'
import { submitFiles } from './files.js'
import { PROGRESS, STORED_BYTES, VISITED } from './notes.js'
import { remarks } from './remarks.js'
import { readReport } from './report.js'

/**
 * Sends what an earlier round has not sent, and passes the message on. Resolves with undefined when files are left that
 * are to be tried again later. Never waits for a server that is away: throws ServerAwayError.
 */
export async function workOff(analysis: Analysis): Promise<Outcome | undefined> {
  try {
    return await submit(analysis)
  } catch (error: unknown) {
    if (error instanceof TaskGoneError || error instanceof WrongSampleError) return gone(analysis, error)
    throw error
  }
}

async function submit(analysis: Analysis): Promise<Outcome | undefined> {
  const { config, context, storedBytes } = analysis
  const prior = priorProgress(analysis)
  context.headers.notes.set(PROGRESS, prior)
  const report = config.EnabledParsers.some(isInReport) ? await readReport(analysis) : undefined
  const store = report?.store ?? new RowStore({ storedBytes })
  const isSampleKnown = Boolean(report?.rows.target?.md5)
  const reported = report && [report, ...report.more].map(({ taskId }) => taskId)
  const round: Round = { ...analysis, store, prior, isSampleKnown, stored: report?.rows.stored, reported }
  const untilFiles = store.rowsBefore('file_added')
  await postRows(round, prior.rows, untilFiles)
  for (const { level, text } of report ? remarks(round, report) : []) await tell(round, level, text)
  if (!(await submitFiles(round))) return undefined
  await postRows(round, Math.max(prior.rows, untilFiles), store.rowCount)
  if (store.cutCalls > 0) await tell(round, 'warning', `${store.cutCalls} API calls left out: an analysis holds 12 MB`)
  return passOn(round)
}

/** Every round gets further, even if HoldLimit is over because the report came slowly: at least one batch is posted. */
async function postRows({ context, crits, store, prior }: Round, from: number, to: number): Promise<void> {
  const { waiting, working } = context
  const { notes } = context.headers
  const onConfirmed = (rows: number) => notes.set(PROGRESS, { ...(notes.get(PROGRESS) ?? prior), rows })
  await submitRows(crits, store, { stopSignal: waiting, forceSignal: working, onConfirmed, from, to })
}

/** Relays to the next instance, or ends the analysis in CRITs and, if configured, the task in Cuckoo. */
async function passOn(round: Round): Promise<Outcome> {
  const { config, context, crits, store } = round
  const { notes } = context.headers
  const visited = notes.get(VISITED) ?? []
  const next = nextQueue(config, visited)
  if (next !== undefined) {
    const onward = notes.with(VISITED, [...visited, config.ConsumerQueue])
    return forward(next, context.delivery.body, {
      onward: onward.with(STORED_BYTES, store.storedBytes || undefined),
      told: { event: 'stored' },
    })
  }
  await crits.attempt(context.working, signal => crits.finish('completed', signal))
  context.log.info({ rows: store.rowCount }, 'the analysis is complete in CRITs')
  return done({ afterwards: afterwardsOf(round), told: { event: 'complete' } })
}

/**
 * With cleanup on, a task that is gone was most likely deleted by us and only the ack was lost: the message is done.
 * If nothing says that it was worked on before, it is dumped, but CRITs is not told that the analysis failed.
 */
async function gone(analysis: Analysis, error: TaskGoneError | WrongSampleError): Promise<Outcome> {
  const { config, context } = analysis
  if (!config.CuckooCleanup) throw error
  if (!context.delivery.mayBeRepeat) {
    if (error instanceof WrongSampleError) throw error
    throw new PermanentError('TASK_GONE_AFTER_CLEANUP', error.message)
  }
  await tell(analysis, 'warning', `${error.message}; assumed done before`)
  context.log.warn('the task no longer exists in Cuckoo; assumed done before')
  return done({ told: { event: 'complete', reason: 'the task no longer exists; assumed done before' } })
}

/** What is left to do once the message of a last instance is settled; `isRepeat`: this may have been done before. */
export function afterwardsOf(analysis: Analysis, isRepeat = false): Afterwards | undefined {
  const { config, context } = analysis
  const isLast = nextQueue(config, context.headers.notes.get(VISITED) ?? []) === undefined
  return isLast && config.CuckooCleanup ? signal => cleanUp(analysis, isRepeat, signal) : undefined
}
