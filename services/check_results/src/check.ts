// One message until its task is reported, through all times in which its Cuckoo is away.
import {
  type Bulkhead,
  isPermanent,
  type StageContext,
  WAITS,
  waitForServer,
  waitingFor,
} from '@cuckoo-distributed/core'
import { ServerAwayError } from '@cuckoo-distributed/http'
import { noteAway, unreachedMs } from '@cuckoo-distributed/sandbox-client'
import { linkedController, timeLimit } from '@cuckoo-distributed/wait'
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
      return await waitingFor(WAITS.analysis, context, watcher.watch(taskId, clocks, context.waiting))
    } catch (error: unknown) {
      if (!(error instanceof ServerAwayError)) throw error
    }
  }
}

/** What became of the tasks of a message. */
export interface Ended {
  readonly taskId: number
  readonly others: readonly number[]
}

/**
 * As `check`, for all tasks of one sample: resolves when all have ended and one at least is reported. The id of one that has failed
 * stays, for whoever reads the results to tell. Rejects as `check` does for the first of them.
 */
export async function checkAll(
  watcher: Watcher,
  { others, ...message }: Message & { readonly others: readonly number[] },
  options: CheckOptions,
): Promise<Ended | undefined> {
  const { clocks, context } = message
  using linked = linkedController(context.waiting)
  const waiting = linked.controller.signal
  const tell = context.tell.bind(context)
  const began = { watchedSince: clocks.watchedSince ?? Date.now() }
  const watch = async (taskId: number, own: WatchClocks) => {
    const outcome = await check(watcher, { taskId, clocks: own, context: { waiting, tell } }, options)
    if (outcome === undefined) linked.controller.abort(MAKES_ROOM)
    return outcome
  }
  const watches = [watch(message.taskId, clocks), ...others.map(taskId => watch(taskId, { ...began }))]
  const ended = await Promise.allSettled(watches)
  const ids = [message.taskId, ...others].map((id, index) => idOf(id, ended[index]))
  if (ids.includes(undefined)) return undefined
  const [first] = ended
  if (first?.status === 'rejected' && ended.every(({ status }) => status === 'rejected')) throw first.reason
  const [taskId = message.taskId, ...rest] = ids.filter(id => id !== undefined)
  return { taskId, others: rest }
}

const MAKES_ROOM = new Error('the message makes room')

/** Undefined: the message is to make room. Throws what is no verdict on the task. */
function idOf(id: number, ended: PromiseSettledResult<number | undefined> | undefined): number | undefined {
  if (ended?.status === 'fulfilled') return ended.value
  const reason: unknown = ended?.reason
  if (reason === MAKES_ROOM) return undefined
  if (reason instanceof Error && isPermanent(reason)) return id
  throw reason
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
  using limit = timeLimit(signal, Math.min(Math.max(0, leftMs), LONGEST_TIMER_MS), () => notReached(awayLimitMs))
  try {
    return await waitingFor(waitForServer('Cuckoo'), context, bulkhead.ready(watcher, limit.signal))
  } catch (error: unknown) {
    if (!signal.aborted && limit.signal.aborted) clear(clocks)
    throw error
  }
}
