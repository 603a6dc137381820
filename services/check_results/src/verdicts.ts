// Why a task will never be reported. No retry can help with any of them.
import { PermanentError } from '@cuckoo-distributed/core'
import type { TaskSummary } from '@cuckoo-distributed/sandbox-client'

/** Cuckoo has surely no such task. */
export class TaskVanishedError extends PermanentError {
  constructor(taskId: number) {
    super('TASK_VANISHED', `Cuckoo does not know task ${taskId} (any more): it was deleted, or Cuckoo was cleaned`)
  }
}

export function taskFailed({ id, status, errors }: TaskSummary): PermanentError {
  const reasons = errors.length === 0 ? '' : `: ${errors.join('; ')}`
  return new PermanentError('TASK_FAILED', `the analysis of task ${id} ended as ${status}${reasons}`)
}

/** Cuckoo says that it goes on with another task, but has none with the same mark and file. */
export function successorMissing({ id, status }: TaskSummary, cause: unknown): PermanentError {
  const text = `task ${id} is ${status}, and the task that Cuckoo goes on with was not found`
  return new PermanentError('TASK_FAILED', text, { cause })
}

export function overdue(taskId: number, status: string | undefined, deadlineMs: number): PermanentError {
  const seconds = Math.round(deadlineMs / 1000)
  const state = status === undefined ? 'not shown by Cuckoo' : `still ${status}`
  return new PermanentError('ANALYSIS_DEADLINE', `task ${taskId} is ${state} after ${seconds} s (AnalysisDeadline)`)
}

export function notReached(limitMs: number): PermanentError {
  const seconds = Math.round(limitMs / 1000)
  return new PermanentError('CUCKOO_NOT_REACHED', `Cuckoo was not reached for ${seconds} s (CuckooAwayLimit)`)
}
