/** Removes what is older, or more, than is to be kept. */
import { setImmediate } from 'node:timers/promises'
import type { Logger } from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import type { DistributedConfig } from '../config.js'
import type { OldTask } from '../store/old-tasks.js'
import type { Leadership, Store } from '../store/store.js'
import { TroubleLog } from '../trouble-log.js'

const DAY_MS = 24 * 60 * 60_000
const PAGE = 100
/** Intervals between two looks: a minute by default. */
const EVERY = 2
const FAILURE = { message: 'old tasks could not be removed; trying again', pauseMs: 10_000 }

export interface RetentionOptions {
  readonly store: Store
  readonly config: Pick<DistributedConfig, 'KeepReports' | 'KeepReportsBytes' | 'KeepFailed' | 'Interval'>
  readonly leadership: Pick<Leadership, 'look'>
  readonly log: Logger
}

interface Limits {
  readonly before: number
  /** Reports that are to go; default: all of those tasks. */
  readonly bytes?: number
}

/** Looks now and then, until the signal is aborted; rejects with its reason then. At once, if everything is to be kept. */
export async function keepWithin(options: RetentionOptions, signal: AbortSignal): Promise<void> {
  const { KeepReports, KeepReportsBytes, KeepFailed, Interval } = options.config
  if (KeepReports === 0 && KeepReportsBytes === 0 && KeepFailed === 0) return
  const trouble = new TroubleLog(options.log)
  for (;;) {
    await trouble.outlast(() => removeOnce(options, signal), FAILURE, signal)
    await delay(EVERY * Interval * 1000, signal)
  }
}

async function removeOnce(options: RetentionOptions, signal: AbortSignal): Promise<void> {
  const { store, config, log } = options
  const { KeepReports, KeepReportsBytes, KeepFailed } = config
  const now = store.now()
  let removed = 0
  if (KeepFailed > 0) removed += await remove(options, 'failed', { before: now - KeepFailed * DAY_MS }, signal)
  if (KeepReports > 0) removed += await remove(options, 'finished', { before: now - KeepReports * DAY_MS }, signal)
  if (KeepReportsBytes > 0) {
    const bytes = (await store.oldTasks.reportBytes()) - KeepReportsBytes
    if (bytes > 0) removed += await remove(options, 'finished', { before: now, bytes }, signal)
  }
  if (removed > 0) log.info({ tasks: removed }, 'old tasks were removed')
}

/**
 * A task that a node may have a result of yet stays. The others go in one transaction each, which writes down their files as well: those
 * are removed after it, and again after a kill, so that no task is ever shown whose files are gone.
 */
async function remove(
  { store, leadership }: RetentionOptions,
  state: 'finished' | 'failed',
  { before, bytes = Number.POSITIVE_INFINITY }: Limits,
  signal: AbortSignal,
): Promise<number> {
  let [removed, left] = [0, bytes]
  let after: OldTask | undefined
  for (;;) {
    const tasks = await store.oldTasks.list(state, { before, limit: PAGE, after })
    for (const task of tasks) {
      if (left <= 0) return removed
      // SQLite answers without a turn of the event loop, and clients are to have theirs.
      await setImmediate(undefined, { signal })
      leadership.look()
      if (!(await store.tasks.removeSettled(task.id, { isDry: false }))) continue
      removed += 1
      left -= task.bytes
    }
    after = tasks.at(-1)
    if (tasks.length < PAGE) return removed
  }
}
