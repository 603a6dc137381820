// The stage: report and dropped files of one analysis become results in CRITs.
import {
  done,
  forward,
  HoldLimitReached,
  later,
  laterWithSpace,
  type Outcome,
  PermanentError,
  ServiceError,
  type StageContext,
  StopRequested,
  type TaskMessage,
} from '@cuckoo-distributed/core'
import { type CritsServers, RowStore, submitRows } from '@cuckoo-distributed/crits-client'
import { checkUrl } from '@cuckoo-distributed/http'
import type { CuckooServers } from '@cuckoo-distributed/sandbox-client'
import { StagingError } from '@cuckoo-distributed/staging'
import { Semaphore, timeLimit } from '@cuckoo-distributed/wait'
import { type Analysis, TaskGoneError, WrongSampleError } from './analysis.js'
import { atOnce, tell } from './at-once.js'
import { nextQueue, planDigest, priorProgress } from './chain.js'
import type { Config } from './config.js'
import { submitDropped } from './dropped.js'
import { PROGRESS, STORED_BYTES, VISITED } from './notes.js'
import { type ReadReport, readReport } from './report.js'

/** What is posted, and how long that may take, when HoldLimit is over before the first row. */
const STEP = { rows: 500, ms: 30_000 }

/** How long the task is tried to be deleted from a Cuckoo that is away. */
const CLEANUP_MS = 120_000

export interface SubmitterOptions {
  readonly config: Config
  readonly cuckoos: CuckooServers
  readonly crits: CritsServers
  readonly tmpDir: string
}

export class Submitter {
  readonly #options: SubmitterOptions
  /** From the download to the last row: reports are the largest thing in memory, and Cuckoo serves one at a time. */
  readonly #places: Semaphore

  constructor(options: SubmitterOptions) {
    this.#options = options
    this.#places = new Semaphore(options.config.CuckooConcurrency)
  }

  async handle(task: TaskMessage, context: StageContext): Promise<Outcome> {
    const analysis = this.#analysis(task, context)
    try {
      // Without this, every message would download its report just to find CRITs away.
      await analysis.crits.availability.whenUp(context.waiting)
      await this.#places.run(context.waiting, () => submit(analysis))
      return await this.#passOn(analysis)
    } catch (error) {
      if (error instanceof TaskGoneError || error instanceof WrongSampleError) return this.#gone(analysis, error)
      // A given-back message would not know what CRITs has stored meanwhile.
      if (error instanceof StopRequested && hasProgress(analysis) && !context.working.aborted) return later()
      if (error instanceof HoldLimitReached) requireSpeed(analysis)
      if (error instanceof StagingError && error.code === 'no-space') return laterWithSpace(context)
      throw error
    }
  }

  #analysis(task: TaskMessage, context: StageContext): Analysis {
    const { config, cuckoos, crits, tmpDir } = this.#options
    const cuckooUrl = checkUrl(task.cuckooUrl, config.AllowedCuckooURLs)
    const { notes } = context.headers
    const storedBytes = notes.get(STORED_BYTES) ?? 0
    const digest = planDigest(config, storedBytes)
    return {
      config,
      task,
      context,
      tmpDir,
      cuckoo: cuckoos.at(cuckooUrl),
      crits: crits.forMessage(task.crits.critsUrl).client(task.crits),
      store: new RowStore({ storedBytes }),
      reading: { ms: 0 },
      prior: priorProgress(notes, config.ConsumerQueue, digest),
    }
  }

  /** Relays to the next instance, or ends the analysis in CRITs and, if configured, the task in Cuckoo. */
  async #passOn(analysis: Analysis): Promise<Outcome> {
    const { config, context, crits, store } = analysis
    const next = nextQueue(config, context.headers.notes.get(VISITED) ?? [])
    if (next !== undefined) return relay(analysis, next)
    await atOnce(analysis, () => crits.finish('completed', context.working))
    context.log.info({ rows: store.rowCount }, 'the analysis is complete in CRITs')
    return done(config.CuckooCleanup ? signal => cleanUp(analysis, signal) : undefined)
  }

  /**
   * With cleanup on, a task that is gone was most likely deleted by us and only the ack was lost: the message is done.
   * If nothing says that it was worked on before, it is dumped, but CRITs is not told that the analysis failed.
   */
  async #gone(analysis: Analysis, error: TaskGoneError | WrongSampleError): Promise<Outcome> {
    const { config, context } = analysis
    if (!config.CuckooCleanup) throw error
    if (!context.delivery.mayBeRepeat) {
      if (error instanceof WrongSampleError) throw error
      throw new PermanentError('TASK_GONE_AFTER_CLEANUP', error.message)
    }
    await tell(analysis, 'warning', `${error.message}; taken as done before`)
    context.log.warn('the task is gone from Cuckoo; taken as done before')
    return done()
  }
}

function relay({ config, context: { headers, delivery }, store }: Analysis, next: string): Outcome {
  const visited = [...(headers.notes.get(VISITED) ?? []), config.ConsumerQueue]
  const onward = headers.notes.with(VISITED, visited).with(STORED_BYTES, store.storedBytes || undefined)
  return forward(next, delivery.body, { onward })
}

async function submit(analysis: Analysis): Promise<void> {
  const { config, context, store, prior } = analysis
  context.headers.notes.set(PROGRESS, prior)
  const report = config.EnabledParsers.some(parser => parser !== 'dropped') ? await readReport(analysis) : undefined
  const untilFiles = store.rowsBefore('file_added')
  await postRows(analysis, prior.rows, untilFiles)
  if (report) for (const { level, text } of remarks(analysis, report)) await tell(analysis, level, text)
  if (config.EnabledParsers.includes('dropped')) await submitDropped(analysis)
  await postRows(analysis, Math.max(prior.rows, untilFiles), store.rowCount)
  if (store.cutCalls > 0) {
    await tell(analysis, 'warning', `${store.cutCalls} API calls left out: an analysis holds 12 MB`)
  }
}

/**
 * Posts rows until HoldLimit is over. If it is over already, because the report came slowly, some are posted all the same:
 * every round has to get further, or the message would go round for ever.
 */
async function postRows({ context, crits, store, prior }: Analysis, from: number, to: number): Promise<void> {
  const { waiting, working } = context
  const { notes } = context.headers
  let next = from
  const onConfirmed = (rows: number) => {
    next = rows
    notes.set(PROGRESS, { ...(notes.get(PROGRESS) ?? prior), rows })
  }
  if (waiting.aborted) {
    const limit = timeLimit(working, STEP.ms, waiting.reason)
    const options = { stopSignal: limit.signal, forceSignal: working, onConfirmed }
    try {
      await submitRows(crits, store, { ...options, from, to: Math.min(from + STEP.rows, to) })
    } finally {
      limit.dispose()
    }
  }
  await submitRows(crits, store, { stopSignal: waiting, forceSignal: working, onConfirmed, from: next, to })
}

/** Without this, an analysis whose report and files take longer than HoldLimit to read would go round for ever. */
function requireSpeed(analysis: Analysis): void {
  const limitMs = analysis.config.HoldLimit * 1000
  if (analysis.reading.ms < limitMs || hasProgress(analysis)) return
  throw new ServiceError(
    'CUCKOO_TOO_SLOW',
    `Cuckoo took ${Math.round(analysis.reading.ms / 1000)} s to send report and files, longer than HoldLimit: ` +
      'raise "HoldLimit", but keep it below the consumer timeout of the broker',
  )
}

function hasProgress({ context, prior }: Analysis): boolean {
  const progress = context.headers.notes.get(PROGRESS)
  return progress !== undefined && progress.rows + progress.files > prior.rows + prior.files
}

interface Remark {
  readonly level: 'info' | 'warning'
  readonly text: string
}

function remarks({ task, store }: Analysis, { summary, rows }: ReadReport): Remark[] {
  const list: Remark[] = [{ level: 'info', text: `Cuckoo task ${task.taskId}: report of ${summary.bytes} bytes read` }]
  if (!summary.sections.includes('info')) {
    list.push({ level: 'warning', text: `Cuckoo task ${task.taskId}: the report has no "info"` })
  }
  const warn = (count: number, what: string) => {
    if (count > 0) list.push({ level: 'warning', text: `Cuckoo task ${task.taskId}: ${count} ${what}` })
  }
  warn(summary.trailingBytes, 'bytes after the end of the report were ignored')
  for (const [what, count] of summary.unreadCalls) warn(count, `API calls could not be read: ${what}`)
  warn(summary.cutValues + store.cutValues, 'long values were cut')
  for (const [subtype, count] of rows.leftOut) warn(count, `${subtype} rows left out: an analysis holds 12 MB`)
  return list
}

async function cleanUp({ task, cuckoo, context }: Analysis, signal: AbortSignal): Promise<void> {
  const limit = timeLimit(signal, CLEANUP_MS, new Error('Cuckoo was away for too long'))
  try {
    const result = await cuckoo.availability.patiently(limit.signal, () => {
      return cuckoo.client.deleteTask(task.taskId, limit.signal)
    })
    context.log.info({ result }, 'cleaned up in Cuckoo')
  } finally {
    limit.dispose()
  }
}
