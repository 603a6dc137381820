/** By what tasks are known again: their mark, and what was uploaded together. */
import { serverTime, type TaskSummary } from './answers.js'

/** What tells one task from all others. What is left out is not compared. */
export interface TaskMark {
  readonly custom: string
  /** Of the whole sample, lower-case: `custom` may be shared, and 1.x keeps an upload that was cut as a task, too. */
  readonly md5?: string | undefined
  readonly sha256?: string | undefined
  /** `custom` may be that of other files as well. Then no list knows a member of an archive, only the search for the archive. Default false. */
  readonly shared?: boolean
}

/** What of a task is compared with a mark. */
export type Marked = Pick<TaskSummary, 'custom' | 'md5' | 'sha256' | 'mayBeMember'>

/** Tasks of one upload are added one right after the other. */
const ONE_UPLOAD_MS = 60_000

/** Whether the task carries the mark. Names of files are no proof, as Cuckoo rewrites them. */
export function isMarked(task: Marked, mark: TaskMark): boolean {
  if (task.custom !== mark.custom) return false
  if (task.mayBeMember === true && mark.shared !== true) return true
  if (mark.md5 !== undefined && task.md5?.toLowerCase() !== mark.md5) return false
  return mark.sha256 === undefined || task.sha256?.toLowerCase() === mark.sha256
}

/**
 * The tasks that were added with `newest`; `byAge`: all with its mark, the first one first. Of two with the same file one is of another
 * upload, which may be in the hands of another message: the later one counts, unless only the other `isOfUse`.
 */
export function uploadOf(
  newest: TaskSummary,
  byAge: readonly TaskSummary[],
  isOfUse: (task: TaskSummary) => boolean,
): TaskSummary[] {
  const addedAt = ({ addedOn }: TaskSummary) => serverTime(addedOn ?? '') ?? Number.NaN
  const files = new Map<string | number, TaskSummary>()
  for (const task of byAge) {
    if (task.id !== newest.id && !(Math.abs(addedAt(task) - addedAt(newest)) <= ONE_UPLOAD_MS)) continue
    const file = task.sha256 ?? task.md5 ?? task.id
    const other = files.get(file)
    if (other === undefined || isOfUse(task) || !isOfUse(other)) files.set(file, task)
  }
  return [...files.values()].sort((a, b) => a.id - b.id)
}
