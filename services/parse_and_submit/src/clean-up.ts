// Deletes the task from Cuckoo once its message is settled.
import { HoldLimitReached } from '@cuckoo-distributed/core'
import { backOff, delay, timeLimit } from '@cuckoo-distributed/wait'
import { type Analysis, mayBeSample, partsOf } from './analysis.js'

/** How long the task is tried to be deleted from a Cuckoo that is away, or refuses. */
const CLEANUP_MS = 10 * 60_000

/**
 * Tries until the task is gone, the process stops, or it took too long; the log names a task that stays. `isRepeat`: it may have been
 * deleted before. `signal` ends a call that is under way. Never throws, as the work on the message is done.
 */
export async function cleanUp(analysis: Analysis, isRepeat: boolean, signal: AbortSignal): Promise<void> {
  for (const part of partsOf(analysis)) await cleanUpTask(part, isRepeat, signal)
}

async function cleanUpTask(analysis: Analysis, isRepeat: boolean, signal: AbortSignal): Promise<void> {
  const { task, cuckoo, context } = analysis
  const { log, waiting } = context
  // Long work is no reason not to try for long.
  const patience = waiting.reason instanceof HoldLimitReached ? signal : waiting
  using limit = timeLimit(patience, CLEANUP_MS, () => new Error('it took too long'))
  const pauses = backOff({ initialMs: 500, maxMs: 60_000 })
  /** It may be gone already, and on SQLite the id of the newest task is given again. */
  let isDoubtful = isRepeat
  for (;;) {
    const deletion = await cuckoo.availability
      .attempt(signal, async inner =>
        isDoubtful && !(await isOurs(analysis, inner)) ? 'gone' : cuckoo.client.deleteTask(task.taskId, inner),
      )
      .catch((error: unknown) => ({ error }))
    isDoubtful = typeof deletion === 'object'
    if (deletion === 'deleted' || deletion === 'gone') {
      log.info({ deletion }, 'cleaned up in Cuckoo')
      return
    }
    if (deletion === 'kept') {
      log.warn('the task stays in Cuckoo: it has tags, and this Cuckoo would delete every task with one of them')
      return
    }
    if (deletion === 'off') {
      log.debug('the task stays in the sandbox: deletion is switched off there')
      return
    }
    const err = typeof deletion === 'object' ? deletion.error : new Error('Cuckoo says that it is being processed')
    if (!(await passes(delay(pauses.next(), limit.signal)))) {
      log.warn({ err }, 'the task stays in Cuckoo: it could not be deleted')
      return
    }
  }
}

/** By its mark, or by its file where CRITs' service or a feed_cuckoo of the Go suite has set another one. */
async function isOurs(analysis: Analysis, signal: AbortSignal): Promise<boolean> {
  const { task, cuckoo } = analysis
  const view = await cuckoo.client.viewTask(task.taskId, signal)
  return view !== undefined && (view.custom === task.crits.analysisId || mayBeSample(analysis, view.md5))
}

/** False when the wait was ended. */
function passes(wait: Promise<void>): Promise<boolean> {
  return wait.then(
    () => true,
    () => false,
  )
}
