/** What every kind of sandbox offers; each kind is one module that implements it, and all else here works on top of it. */
import type { HttpResponse } from '@cuckoo-distributed/http'
import type { CuckooMachine, CuckooStatus, TaskSummary } from './answers.js'
import type { CreatedTasks, NewTask, NewUrlTask } from './create-task.js'
import type { ListedPhase } from './phase.js'

export type SandboxKind = 'cuckoo' | 'cape'

/** Lower-case hexadecimal digits. */
export interface FileHashes {
  readonly md5?: string | undefined
  readonly sha256?: string | undefined
}

export interface ReportOptions {
  /** What the processes did is not wanted: the report may come without them and their calls. */
  readonly withoutProcesses?: boolean
}

export interface ListOptions {
  /** Only tasks in exactly this phase. */
  readonly phase?: ListedPhase | undefined
  /**
   * Only tasks whose machine finished after this time, in seconds since 1970. Tasks that failed before that have no
   * such time and are left out.
   */
  readonly completedAfter?: number | undefined
}

/** `off`: whoever runs the sandbox has switched deletion off. The others: see `CuckooClient.deleteTask`. */
export type Deletion = 'deleted' | 'gone' | 'busy' | 'kept' | 'off'

/**
 * What a task may have besides its report and its dropped files: the capture of its traffic, a file as it is; as archives,
 * of any format, the files that were unpacked or injected, dumps of processes, and pictures of the screen; the memory of the machine.
 */
export type Artifact = 'pcap' | 'payloads' | 'procdump' | 'screenshots' | 'fullmemory'

/** What was kept of the memory of a process. */
export interface MemoryDump {
  /** Letters, digits, dots and dashes. */
  readonly name: string
  /** Undefined: it is not there. */
  open(
    signal: AbortSignal,
  ): Promise<{ readonly size: number; stream(limit: number): AsyncIterable<Buffer> } | undefined>
}

/** An archive or a file, to be streamed or discarded. */
export type Download = HttpResponse | 'none' | undefined

/** What is asked about tasks. */
export interface TaskQueries {
  /** See `CuckooClient.status`. */
  status(signal: AbortSignal): Promise<CuckooStatus>
  /** See `CuckooClient.listTasks`. */
  listTasks(options: ListOptions, signal: AbortSignal): Promise<TaskSummary[]>
  /** See `CuckooClient.viewTask`. A task with another id goes on in place of the one that was asked for. */
  viewTask(id: number, signal: AbortSignal): Promise<TaskSummary | undefined>
  /** The tasks of a file that was uploaded. Undefined, as where it is missing: this sandbox has no such search. */
  searchTasks?(file: FileHashes, signal: AbortSignal): Promise<TaskSummary[] | undefined>
}

export interface SandboxClient extends TaskQueries, AsyncDisposable {
  /** Undefined while it is not known yet. */
  readonly kind: SandboxKind | undefined
  /** The base URL as it may be shown: without user info. */
  readonly baseUrl: string
  /** Milliseconds between two requests that its owner allows, on average; 0: as many as one likes. */
  readonly intervalMs: number
  createTask(task: NewTask, signal: AbortSignal): Promise<CreatedTasks>
  createUrlTask(task: NewUrlTask, signal: AbortSignal): Promise<CreatedTasks>
  listMachines(signal: AbortSignal): Promise<CuckooMachine[]>
  report(id: number, signal: AbortSignal, options?: ReportOptions): Promise<HttpResponse | undefined>
  reportAs(id: number, format: string, signal: AbortSignal): Promise<HttpResponse | undefined>
  /** The archive of dropped files, of any format. `none`: it is known that nothing was dropped; undefined: the task is gone. */
  dropped(id: number, options: { readonly compression?: 'gz' }, signal: AbortSignal): Promise<Download>
  /** `none`: the task has nothing of that kind, or this kind of sandbox cannot tell; undefined: the task is gone. */
  artifact(id: number, artifact: Artifact, signal: AbortSignal): Promise<Download>
  /** The memory of processes: an archive, or one after the other. Otherwise as `artifact`. */
  memoryDumps(id: number, signal: AbortSignal): Promise<Download | readonly MemoryDump[]>
  deleteTask(id: number, signal: AbortSignal): Promise<Deletion>
}
