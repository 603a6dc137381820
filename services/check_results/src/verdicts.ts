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

export function overdue({ id, status }: TaskSummary, deadlineMs: number): PermanentError {
  const seconds = Math.round(deadlineMs / 1000)
  return new PermanentError('ANALYSIS_DEADLINE', `task ${id} is still ${status} after ${seconds} s (AnalysisDeadline)`)
}
