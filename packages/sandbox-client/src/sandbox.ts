/** What every kind of sandbox offers; each kind is one module that implements it, and all else here works on top of it. */
import type { HttpResponse } from '@cuckoo-distributed/http'
import type { CuckooMachine, CuckooStatus, TaskSummary } from './answers.js'
import type { NewTask, NewUrlTask } from './create-task.js'
import type { ListedPhase } from './phase.js'

export interface ListOptions {
  /** Only tasks in exactly this phase. */
  readonly phase?: ListedPhase | undefined
  /**
   * Only tasks whose machine finished after this time, in seconds since 1970. Tasks that failed before that have no
   * such time and are left out.
   */
  readonly completedAfter?: number | undefined
}

export type Deletion = 'deleted' | 'gone' | 'busy' | 'kept'

/**
 * What a task may have besides its report and its dropped files: the capture of its traffic, a file as it is; and as archives,
 * of any format, the files that were unpacked or injected, dumps of processes, and pictures of the screen.
 */
export type Artifact = 'pcap' | 'payloads' | 'procdump' | 'screenshots'

/** An archive or a file, to be streamed or discarded. */
export type Download = HttpResponse | 'none' | undefined

/** What is asked about tasks. */
export interface TaskQueries {
  /** See `CuckooClient.status`. */
  status(signal: AbortSignal): Promise<CuckooStatus>
  /** See `CuckooClient.listTasks`. */
  listTasks(options: ListOptions, signal: AbortSignal): Promise<TaskSummary[]>
  /** See `CuckooClient.viewTask`. */
  viewTask(id: number, signal: AbortSignal): Promise<TaskSummary | undefined>
}

export interface SandboxClient extends TaskQueries, AsyncDisposable {
  /** The base URL as it may be shown: without user info. */
  readonly baseUrl: string
  createTask(task: NewTask, signal: AbortSignal): Promise<number>
  createUrlTask(task: NewUrlTask, signal: AbortSignal): Promise<number>
  listMachines(signal: AbortSignal): Promise<CuckooMachine[]>
  report(id: number, signal: AbortSignal): Promise<HttpResponse | undefined>
  reportAs(id: number, format: string, signal: AbortSignal): Promise<HttpResponse | undefined>
  /** The archive of dropped files, of any format. `none`: it is known that nothing was dropped; undefined: the task is gone. */
  dropped(id: number, options: { readonly compression?: 'gz' }, signal: AbortSignal): Promise<Download>
  /** `none`: the task has nothing of that kind, or this kind of sandbox cannot tell; undefined: the task is gone. */
  artifact(id: number, artifact: Artifact, signal: AbortSignal): Promise<Download>
  deleteTask(id: number, signal: AbortSignal): Promise<Deletion>
}
