// Looks for a task that an earlier attempt may have made. Cuckoo has no idempotent submission and no search by `custom`.
import type { Logger } from '@cuckoo-distributed/core'
import type { CuckooStatus, ListOptions, TaskSummary } from '@cuckoo-distributed/sandbox-client'
import { type BackOff, backOff, delay } from '@cuckoo-distributed/wait'

/** What tells one analysis's task from all others. */
export interface TaskMark {
  readonly custom: string
  /** Of the whole sample: `custom` may be shared with other analyses, and 1.x keeps an upload that was cut as a task, too. */
  readonly md5: string
}

/** The questions that are asked of Cuckoo. */
export interface TaskLists {
  listTasks(options: ListOptions, signal: AbortSignal): Promise<TaskSummary[]>
  status(signal: AbortSignal): Promise<CuckooStatus>
}

export interface FindOptions {
  readonly cuckoo: TaskLists
  readonly log: Logger
  readonly signal: AbortSignal
  /** Waits before asking again. Default 1 s, growing to 30 s. */
  readonly pause?: BackOff
}

/** In the order in which a task passes through them, so that one that moves on meanwhile is not missed. */
const STATES = ['pending', 'running', 'completed', 'reported'] as const
const REPORTED_SINCE_S = 7 * 24 * 3600
/** An empty list of reported tasks may be true although some were reported long ago: believed when it is repeated. */
const LOOKS_AT_REPORTED = 3

/**
 * The id of the marked task, or undefined when there surely is none. Failed tasks do not count, nor do tasks that were
 * reported more than 7 days ago.
 *
 * A failing database of Cuckoo answers an empty list, or counters of 0, with status 200
 * (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `list_tasks`, `count_tasks`). So empty lists are compared with
 * the counters, and while they disagree the question is repeated until `signal` is aborted.
 */
export async function findTask(mark: TaskMark, options: FindOptions): Promise<number | undefined> {
  const { cuckoo, log, signal } = options
  const pause = options.pause ?? backOff({ initialMs: 1000, maxMs: 30_000 })
  for (let looks = 1; ; looks += 1) {
    const empty = new Set<(typeof STATES)[number]>()
    for (const status of STATES) {
      const tasks = await cuckoo.listTasks({ status, completedAfter: since(status) }, signal)
      const found = tasks.find(task => isMarked(task, mark))
      if (found) return found.id
      if (tasks.length === 0) empty.add(status)
    }
    const counters = await cuckoo.status(signal)
    const doubted = STATES.filter(status => {
      const believed = status === 'reported' && looks >= LOOKS_AT_REPORTED
      return empty.has(status) && counters[status] > 0 && !believed
    })
    if (counters.tasksKnown && doubted.length === 0) return undefined
    log.debug({ looks, doubted }, 'the lists of Cuckoo do not agree with its counters; asking again')
    await delay(pause.next(), signal)
  }
}

function since(status: string): number | undefined {
  return status === 'reported' ? Date.now() / 1000 - REPORTED_SINCE_S : undefined
}

function isMarked(task: TaskSummary, mark: TaskMark): boolean {
  return task.custom === mark.custom && task.md5?.toLowerCase() === mark.md5
}
