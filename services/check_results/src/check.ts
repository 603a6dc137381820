// One message until its task is reported, through all times in which its Cuckoo is away.
import type { Bulkhead } from '@cuckoo-distributed/core'
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
  const { taskId, clocks, signal } = message
  for (;;) {
    if (!(await isReady(watcher, message, options))) return undefined
    try {
      return await watcher.watch(taskId, clocks, signal)
    } catch (error: unknown) {
      if (!(error instanceof ServerAwayError)) throw error
    }
  }
}

interface Message {
  readonly taskId: number
  readonly clocks: WatchClocks
  readonly signal: AbortSignal
}

async function isReady(watcher: Watcher, { clocks, signal }: Message, options: CheckOptions): Promise<boolean> {
  const { bulkhead, awayLimitMs } = options
  if (!watcher.isWell) noteAway(clocks, Date.now())
  const leftMs = awayLimitMs - unreachedMs(clocks, Date.now())
  using limit = timeLimit(signal, Math.min(Math.max(0, leftMs), LONGEST_TIMER_MS), notReached(awayLimitMs))
  try {
    return await bulkhead.ready(watcher, limit.signal)
  } catch (error: unknown) {
    if (!signal.aborted && limit.signal.aborted) clear(clocks)
    throw error
  }
}
