// One message in work: whose analysis it is, and the servers that know about it.
import { PermanentError, type StageContext, type TaskMessage } from '@cuckoo-distributed/core'
import type { CritsClient, RowStore } from '@cuckoo-distributed/crits-client'
import type { CuckooServer } from '@cuckoo-distributed/sandbox-client'
import type { Config } from './config.js'
import type { Progress } from './notes.js'
import type { StoredFiles } from './stored-files.js'

export interface Analysis {
  readonly config: Config
  readonly task: TaskMessage<URL>
  readonly context: StageContext
  readonly cuckoo: CuckooServer
  readonly crits: CritsClient
  readonly tmpDir: string
  /** Milliseconds between two tries to upload a file that fails while CRITs is well. */
  readonly uploadPauseMs: number
  /** Bytes of results that earlier instances of a chain have stored in CRITs. */
  readonly storedBytes: number
  /** Names everything that decides which rows are made, and in which order. */
  readonly plan: string
  /** Milliseconds that Cuckoo took to send report and archive for this delivery, without waits for it. */
  readonly reading: { ms: number }
}

/** One round of work in a place: from the download to the last row, or until a server is away. */
export interface Round extends Analysis {
  readonly store: RowStore
  /** What was confirmed before this round. */
  readonly prior: Progress
  /** The report says that it is about the sample. */
  readonly isSampleKnown: boolean
  /** What the report says about files in archives; undefined if it was not read. */
  readonly stored: StoredFiles | undefined
  /** The tasks that have a report; undefined if none was read. */
  readonly reported: readonly number[] | undefined
}

/** The task is not in Cuckoo any more: most likely an earlier try deleted it after its work was done. */
export class TaskGoneError extends PermanentError {
  constructor(taskId: number) {
    super('TASK_GONE', `task ${taskId} is not in Cuckoo any more`)
  }
}

/** Ids come back after a reset of Cuckoo, and that of the newest task after its deletion: this one is another sample's. */
export class WrongSampleError extends PermanentError {
  constructor({ taskId, crits }: Analysis['task'], found: string) {
    super('WRONG_SAMPLE', `task ${taskId} is about the file with MD5 ${found}, not about the sample ${crits.md5}`)
  }
}

/** The analysis as that of each of its tasks: a sandbox may make several of one sample. */
export function partsOf<T extends Pick<Analysis, 'task'>>(analysis: T): T[] {
  const { task } = analysis
  return [task.taskId, ...(task.others ?? [])].map(taskId => ({ ...analysis, task: { ...task, taskId, others: [] } }))
}

/** Whether this may be the MD5 of the sample; it may if one of the two is not known. */
export function mayBeSample({ task }: Analysis, md5: string | undefined): boolean {
  return !md5 || task.crits.md5 === '' || md5.toLowerCase() === task.crits.md5
}
