// The stage: report and dropped files of one analysis become results in CRITs, in as many rounds as it takes.
import { createHash } from 'node:crypto'
import {
  type Bulkhead,
  done,
  HoldLimitReached,
  holdLimitMs,
  later,
  laterWithSpace,
  type Outcome,
  ServiceError,
  type StageContext,
  StopRequested,
  type TaskMessage,
  waitingFor,
} from '@cuckoo-distributed/core'
import type { CritsServers } from '@cuckoo-distributed/crits-client'
import { ServerAwayError } from '@cuckoo-distributed/http'
import type { CuckooServers } from '@cuckoo-distributed/sandbox-client'
import { StagingError } from '@cuckoo-distributed/staging'
import { delay, orAbort } from '@cuckoo-distributed/wait'
import type { Analysis } from './analysis.js'
import { tell } from './calls.js'
import { planDigest, priorProgress } from './chain.js'
import type { Config } from './config.js'
import { STORED_BYTES } from './notes.js'
import { Places } from './places.js'
import { requireReach } from './reach.js'
import { Repeats, type Work } from './repeats.js'
import { afterwardsOf, workOff } from './round.js'

export interface SubmitterOptions {
  readonly config: Config
  readonly cuckoos: CuckooServers
  readonly crits: CritsServers
  readonly bulkhead: Bulkhead
  readonly tmpDir: string
  /** Milliseconds between two tries to upload a file that fails while CRITs is well. Default 10 minutes. */
  readonly uploadPauseMs?: number | undefined
}

const UPLOAD_PAUSE_MS = 10 * 60_000

export class Submitter {
  readonly #options: SubmitterOptions
  readonly #places: Places
  readonly #repeats = new Repeats()

  constructor(options: SubmitterOptions) {
    this.#options = options
    this.#places = new Places({ perCuckoo: options.config.CuckooConcurrency, bulkhead: options.bulkhead })
  }

  async handle(task: TaskMessage<URL>, context: StageContext): Promise<Outcome> {
    const analysis = this.#analysis(task, context)
    const key = identityOf(analysis)
    for (;;) {
      const work = this.#repeats.begin(key)
      if (work === 'carried-out') {
        context.log.info('a repeat of work that was done within the last hour')
        return done({ afterwards: afterwardsOf(analysis, true), told: { event: 'done', reason: 'a repeat' } })
      }
      if (!('ended' in work)) return this.#carryOut(analysis, work)
      const ended = (signal: AbortSignal) => orAbort(work.ended, signal)
      const until = this.#options.bulkhead.until(ended, context.waiting)
      if (!(await waitingFor('the same work on another delivery', context, until))) return later()
    }
  }

  /** `work` hears what becomes of the message. */
  async #carryOut(analysis: Analysis, work: Work): Promise<Outcome> {
    let outcome: Outcome | undefined
    try {
      outcome = await this.#outcome(analysis)
    } finally {
      work.left(outcome !== undefined && outcome.kind !== 'later')
    }
    const carriedOut = () => work.carriedOut()
    if (outcome.kind === 'done') return { ...outcome, carriedOut }
    if (outcome.kind !== 'forward') return outcome
    const orElse = async (refusal: Error) => {
      work.left(false)
      throw refusal
    }
    return { ...outcome, carriedOut, orElse }
  }

  async #outcome(analysis: Analysis): Promise<Outcome> {
    const { context } = analysis
    const before = doneSoFar(analysis)
    try {
      return await this.#rounds(analysis)
    } catch (error: unknown) {
      const isFurther = doneSoFar(analysis) > before
      // A given-back message would not know what CRITs has stored meanwhile.
      if (error instanceof StopRequested && isFurther && !context.working.aborted) return later()
      if (error instanceof HoldLimitReached && !isFurther) requireSpeed(analysis)
      if (error instanceof StagingError && error.code === 'no-space') return laterWithSpace(context)
      throw error
    }
  }

  #analysis(task: TaskMessage<URL>, context: StageContext): Analysis {
    const { config, cuckoos, crits, tmpDir, uploadPauseMs = UPLOAD_PAUSE_MS } = this.#options
    const storedBytes = context.headers.notes.get(STORED_BYTES) ?? 0
    return {
      config,
      task,
      context,
      tmpDir,
      uploadPauseMs,
      storedBytes,
      cuckoo: cuckoos.at(task.cuckooUrl, task.sandbox),
      crits: crits.forMessage(task.crits.critsUrl).client(task.crits),
      plan: planDigest(config, storedBytes),
      reading: { ms: 0 },
    }
  }

  /** Each round goes on from the progress of the one before; between two rounds nothing is held that others need. */
  async #rounds(analysis: Analysis): Promise<Outcome> {
    for (;;) {
      requireReach(analysis)
      const ready = (await this.#untilDue(analysis)) ? await this.#places.ready(analysis) : undefined
      if (ready === undefined) return later()
      try {
        // Finds out, before a report is downloaded, whether CRITs knows user and analysis.
        await tell(analysis, 'info', `Cuckoo task ${analysis.task.taskId}: reading its results`)
        const leave = await this.#places.enter(analysis, ready)
        if (leave === undefined) return later()
        try {
          const outcome = await workOff(analysis)
          if (outcome !== undefined) return outcome
        } finally {
          leave()
        }
      } catch (error: unknown) {
        if (!(error instanceof ServerAwayError)) throw error
        analysis.context.log.debug({ err: error }, 'a server is unavailable; the work continues when it is back')
      }
    }
  }

  /** False: the message is to make room meanwhile. */
  async #untilDue(analysis: Analysis): Promise<boolean> {
    const { due } = priorProgress(analysis)
    // However the clock was set since, no wait is longer than the one that was meant.
    const pauseMs = Math.min(due - Date.now(), analysis.uploadPauseMs)
    if (pauseMs <= 0) return true
    const { context } = analysis
    const until = this.#options.bulkhead.until(signal => delay(pauseMs, signal), context.waiting)
    return waitingFor('the next try of files that CRITs did not take', context, until)
  }
}

/** Two messages with the same one ask for the same work. */
function identityOf({ context, task, plan }: Analysis): string {
  const parts = [context.delivery.queue, task.cuckooUrl, task.taskId, task.crits.analysisId, plan]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64')
}

/** Without this, an analysis whose report and files take longer than HoldLimit to read would go round for ever. */
function requireSpeed({ config, reading }: Analysis): void {
  if (reading.ms < holdLimitMs(config)) return
  throw new ServiceError(
    'CUCKOO_TOO_SLOW',
    `Cuckoo took ${Math.round(reading.ms / 1000)} s to send report and files, longer than HoldLimit: ` +
      'raise "HoldLimit", but keep it below the consumer timeout of the broker',
  )
}

function doneSoFar(analysis: Analysis): number {
  const { rows, files } = priorProgress(analysis)
  return rows + files
}
