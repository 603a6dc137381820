// The stage: report and dropped files of one analysis become results in CRITs.
import {
  done,
  forward,
  later,
  type Outcome,
  PermanentError,
  type StageContext,
  StopRequested,
  type TaskMessage,
} from '@cuckoo-distributed/core'
import { type CritsServers, logPatiently, RowStore, submitRows } from '@cuckoo-distributed/crits-client'
import type { CuckooServers } from '@cuckoo-distributed/cuckoo-client'
import { checkUrl } from '@cuckoo-distributed/http'
import { linkedController, Semaphore } from '@cuckoo-distributed/wait'
import { type Analysis, TaskGoneError, WrongSampleError } from './analysis.js'
import { nextQueue, planDigest, priorProgress } from './chain.js'
import type { Config } from './config.js'
import { submitDropped } from './dropped.js'
import { type ReadReport, readReport } from './report.js'

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
    } catch (error) {
      if (error instanceof TaskGoneError || error instanceof WrongSampleError) return this.#gone(analysis, error)
      // A given-back message would not know what CRITs has stored meanwhile.
      if (error instanceof StopRequested && hasProgress(analysis) && !context.working.aborted) return later()
      throw error
    }
    return this.#passOn(analysis)
  }

  #analysis(task: TaskMessage, context: StageContext): Analysis {
    const { config, cuckoos, crits, tmpDir } = this.#options
    const cuckooUrl = checkUrl(task.cuckooUrl, config.AllowedCuckooURLs)
    const { storedBytes } = context.trail
    const digest = planDigest(config, storedBytes)
    return {
      config,
      task,
      context,
      tmpDir,
      cuckoo: cuckoos.at(cuckooUrl),
      crits: crits.forMessage(task.crits.critsUrl).client(task.crits),
      store: new RowStore({ storedBytes }),
      prior: priorProgress(context.trail, config.ConsumerQueue, digest),
    }
  }

  /** Relays to the next instance, or ends the analysis in CRITs and, if configured, the task in Cuckoo. */
  async #passOn(analysis: Analysis): Promise<Outcome> {
    const { config, context, crits, store } = analysis
    const next = nextQueue(config, context.trail.visited)
    if (next !== undefined) {
      context.trail.visited.push(config.ConsumerQueue)
      context.trail.storedBytes = store.storedBytes
      return forward(next, context.delivery.body)
    }
    await crits.availability.patiently(context.waiting, () => crits.finish('completed', context.working))
    context.log.info({ rows: store.rowCount }, 'the analysis is complete in CRITs')
    return done(config.CuckooCleanup ? signal => cleanUp(analysis, signal) : undefined)
  }

  /**
   * With cleanup on, a task that is gone was most likely deleted by us and only the ack was lost: the message is done.
   * If nothing says that it was worked on before, it is dumped, but CRITs is not told that the analysis failed.
   */
  async #gone(analysis: Analysis, error: TaskGoneError | WrongSampleError): Promise<Outcome> {
    const { config, context, crits } = analysis
    if (!config.CuckooCleanup) throw error
    if (!context.delivery.mayBeRepeat) {
      if (error instanceof WrongSampleError) throw error
      throw new PermanentError('TASK_GONE_AFTER_CLEANUP', error.message)
    }
    const signals = { stopSignal: context.waiting, forceSignal: context.working }
    await logPatiently(crits, 'warning', `${error.message}; taken as done before`, signals)
    context.log.warn('the task is gone from Cuckoo; taken as done before')
    return done()
  }
}

async function submit(analysis: Analysis): Promise<void> {
  const { config, context, crits, store, prior } = analysis
  const signals = { stopSignal: context.waiting, forceSignal: context.working }
  const onConfirmed = (rows: number) => {
    context.trail.progress = { ...(context.trail.progress ?? prior), rows }
  }
  context.trail.progress = prior
  if (config.EnabledParsers.some(parser => parser !== 'dropped')) {
    const report = await readReport(analysis)
    for (const line of remarks(analysis, report)) await logPatiently(crits, line.level, line.text, signals)
  }
  const untilFiles = store.rowsBefore('file_added')
  await submitRows(crits, store, { ...signals, from: prior.rows, to: untilFiles, onConfirmed })
  if (config.EnabledParsers.includes('dropped')) await submitDropped(analysis)
  await submitRows(crits, store, { ...signals, from: Math.max(prior.rows, untilFiles), onConfirmed })
  if (store.cutCalls > 0) {
    const text = `${store.cutCalls} API calls left out: an analysis holds 12 MB`
    await logPatiently(crits, 'warning', text, signals)
  }
}

function hasProgress({ context, prior }: Analysis): boolean {
  const { progress } = context.trail
  return progress !== undefined && progress.rows + progress.files > prior.rows + prior.files
}

interface Remark {
  readonly level: 'info' | 'warning'
  readonly text: string
}

function remarks({ task }: Analysis, { summary, rows }: ReadReport): Remark[] {
  const list: Remark[] = [{ level: 'info', text: `Cuckoo task ${task.taskId}: report of ${summary.bytes} bytes read` }]
  const warn = (count: number, what: string) => {
    if (count > 0) list.push({ level: 'warning', text: `Cuckoo task ${task.taskId}: ${count} ${what}` })
  }
  warn(summary.trailingBytes, 'bytes after the end of the report were ignored')
  warn(summary.droppedCalls, 'API calls could not be read')
  warn(summary.cutValues, 'long values were cut')
  for (const [subtype, count] of rows.leftOut) warn(count, `${subtype} rows left out: an analysis holds 12 MB`)
  return list
}

async function cleanUp({ task, cuckoo, context }: Analysis, signal: AbortSignal): Promise<void> {
  const { controller, dispose } = linkedController(signal)
  const timer = setTimeout(() => controller.abort(new Error('Cuckoo was away for too long')), CLEANUP_MS)
  try {
    const result = await cuckoo.availability.patiently(controller.signal, () => {
      return cuckoo.client.deleteTask(task.taskId, controller.signal)
    })
    context.log.info({ result }, 'cleaned up in Cuckoo')
  } finally {
    clearTimeout(timer)
    dispose()
  }
}
