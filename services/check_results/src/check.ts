// One message until its task is reported, through all times in which its Cuckoo is away.
import { type Bulkhead, type StageContext, waitingFor } from '@cuckoo-distributed/core'
import { ServerAwayError } from '@cuckoo-distributed/http'
import { noteAway, unreachedMs } from '@cuckoo-distributed/sandbox-client'
import { timeLimit } from '@cuckoo-distributed/wait'
import { clear, type WatchClocks } from './clocks.js'
import { notReached } from './verdicts.js'
import type { Watcher } from './watcher.js'

/** `HoldLimit` ends every wait before that. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface CheckOptions {
  readonly bulkhead: Bulkhead
  /** Milliseconds for which Cuckoo may be away in one go. */
  readonly awayLimitMs: number
}

/**
 * Resolves with the id under which the task is reported, or with undefined when Cuckoo is away and the message is to make
 * room for others. Rejects as `Watcher.watch` does, and with PermanentError CUCKOO_NOT_REACHED.
 */
export async function check(watcher: Watcher, message: Message, options: CheckOptions): Promise<number | undefined> {
  const { taskId, clocks, context } = message
  for (;;) {
    if (!(await isReady(watcher, message, options))) return undefined
    try {
      return await waitingFor('the analysis in Cuckoo', context, watcher.watch(taskId, clocks, context.waiting))
    } catch (error: unknown) {
      if (!(error instanceof ServerAwayError)) throw error
    }
  }
}

interface Message {
  readonly taskId: number
  readonly clocks: WatchClocks
  readonly context: Pick<StageContext, 'waiting' | 'tell'>
}

async function isReady(watcher: Watcher, { clocks, context }: Message, options: CheckOptions): Promise<boolean> {
  const { bulkhead, awayLimitMs } = options
  const signal = context.waiting
  if (!watcher.isWell) noteAway(clocks, Date.now())
  const leftMs = awayLimitMs - unreachedMs(clocks, Date.now())
  using limit = timeLimit(signal, Math.min(Math.max(0, leftMs), LONGEST_TIMER_MS), notReached(awayLimitMs))
  try {
    return await waitingFor('Cuckoo, which is away', context, bulkhead.ready(watcher, limit.signal))
  } catch (error: unknown) {
    if (!signal.aborted && limit.signal.aborted) clear(clocks)
    throw error
  }
}
