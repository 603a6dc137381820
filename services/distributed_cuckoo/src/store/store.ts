/**
 * The only place that knows the database. Each method is one transaction that is on disk when it resolves. Transitions are
 * conditional: one that the state does not allow any more changes nothing and says so (false or undefined), so that a
 * client's DELETE, a second copy's result and a former leader can never undo each other's work.
 */
import type { SandboxKind } from '@cuckoo-distributed/sandbox-client'
import type {
  Machine,
  NewTask,
  Node,
  NodeChanges,
  NodeCounters,
  Report,
  Requirements,
  Submission,
  Task,
  TaskCounts,
  TaskFilter,
  TaskState,
} from './model.js'
import type { OldTasks } from './old-tasks.js'
import type { Statistics } from './statistics.js'

export interface Store extends AsyncDisposable {
  readonly nodes: NodeStore
  readonly tasks: TaskStore
  readonly dispatch: DispatchStore
  readonly files: ObsoleteFiles
  readonly statistics: Statistics
  readonly oldTasks: OldTasks
  /**
   * Identifies the database for good; written as a marker file into the samples and reports directories, so that two
   * processes with one database and different directories are found out at start.
   */
  readonly id: string
  /**
   * Waits until this process is the one that schedules. Rejects with `signal.reason`. With SQLite at once, as its file
   * belongs to one process; with PostgreSQL by a lease.
   */
  lead(signal: AbortSignal): Promise<Leadership>
  /** Whether the directories have been marked as those of this database, by whichever process. */
  hasDirectories(): Promise<boolean>
  recordDirectories(): Promise<void>
  /** Milliseconds since 1970 by the clock that all processes share: that of the database. */
  now(): number
  /** Start of the scheduler's last completed cycle, by whichever process did it; null before the first. */
  lastCycle(): Promise<number | null>
  recordCycle(at: number): Promise<void>
}

export interface Leadership extends AsyncDisposable {
  /** Aborted (reason: ServiceError, LEADERSHIP_LOST) before another process can lead. */
  readonly lost: AbortSignal
  /** As `Store.dispatch`; each transaction is refused as soon as another process may lead. */
  readonly dispatch: DispatchStore
  /**
   * To be called right before what no database can take back: a request that makes or deletes something, a renaming.
   * @throws ServiceError (LEADERSHIP_LOST) when the time is over, by the monotonic clock; a process that was stopped does not notice otherwise.
   */
  look(): void
}

export interface NodeStore {
  /** By name; disabled ones as well. */
  list(): Promise<Node[]>
  get(name: string): Promise<Node | undefined>
  /**
   * Makes an enabled node, or refreshes the machines of the enabled node with this name and URL (compared without
   * trailing slash), or takes a disabled node back with this URL.
   * @throws NameTakenError when an enabled node has the name and another URL, or another node has the URL.
   */
  register(name: string, url: string, machines: readonly Machine[]): Promise<Node>
  /**
   * Changes what is given; tasks and history stay attached. Undefined: no such node.
   * @throws NameTakenError as `register` does.
   */
  update(name: string, changes: NodeChanges): Promise<Node | undefined>
  setMachines(id: number, machines: readonly Machine[]): Promise<void>
  /** The node answered: it is `up`, or `quarantined`; its failures are forgotten. */
  recordStatus(
    id: number,
    seen: {
      readonly counters: NodeCounters
      readonly freeBytes: number | null
      readonly at: number
      /** Why it gets no tasks although it answers; null = it does. */
      readonly quarantine: string | null
      readonly kind: SandboxKind | null
      readonly runningSince: Node['runningSince']
    },
  ): Promise<void>
  /** The node did not answer as it should; `failures` grows by one, the counters of the last success are dropped. */
  recordFailure(
    id: number,
    failure: { readonly state: 'unreachable' | 'unauthorized'; readonly error: string },
  ): Promise<void>
}

export interface TaskStore {
  /** Stores a pending task and resolves with its id. Ids are never used twice. */
  create(task: NewTask, at: number): Promise<number>
  /** Undefined for an unknown id and for a deleted task. */
  get(id: number): Promise<Task | undefined>
  /** By id, with `completedAfter` by when they ended; without deleted tasks unless `states` names them. */
  list(filter: TaskFilter): Promise<Task[]>
  counts(): Promise<TaskCounts>
  /** When the oldest pending task was added; null when none is pending. */
  oldestPending(): Promise<number | null>
  /** The reports of a finished task; empty for any other. */
  reports(id: number): Promise<Report[]>
  /**
   * A client deletes the task. Its copies on nodes become `discarding`, or stay `sending` until their fate is known; until the last is gone
   * the row stays as `deleted`. Its sample and report directory become obsolete. Resolves with the task as it was; undefined: none.
   */
  remove(id: number): Promise<Task | undefined>
  /** Whether this id was ever given to a task, which may be gone: each is given once. After a crash PostgreSQL leaves some out, which count. */
  wasGiven(id: number): Promise<boolean>
  /**
   * As `remove`, but only a task that is finished or failed, and of which no node has a copy that may bring a result yet; with `isDry`
   * it stays. Resolves with whether it was one.
   */
  removeSettled(id: number, options: { readonly isDry: boolean }): Promise<boolean>
  /** Changes what is given of a pending task. */
  change(id: number, changes: TaskChanges): Promise<'changed' | 'not-pending' | 'unknown'>
  /**
   * failed → pending, with all its tries before it. What a node still has of it stays, and is welcome as before. `sample-gone`: nothing is
   * left to send. `untidy`: what an ended fetch has left is still to be removed.
   */
  reschedule(id: number): Promise<'pending' | 'not-failed' | 'sample-gone' | 'untidy' | 'unknown'>
  /** The paths out of `paths` that some task has as its sample. */
  samplesInUse(paths: readonly string[]): Promise<Set<string>>
  /** Why pending tasks with this requirement wait, if it is their requirement that holds them up. */
  waitReason(requirement: string): Promise<string | undefined>
  /** The same of the first `limit` requirements, and how many there are. */
  waitReasons(limit: number): Promise<{ readonly reasons: ReadonlyMap<string, string>; readonly total: number }>
  /** How many tasks that may be sent have each of these requirements; those without any are left out. */
  pendingOf(requirements: readonly string[]): Promise<Map<string, number>>
}

/** What the scheduler and the node workers do. Only the leader calls it, and an operator who purges a node. */
export interface DispatchStore {
  /** The requirements of tasks that may be sent, each once, behind `after` in the database's order; the first is behind `''`. */
  pendingRequirements(after: string, limit: number): Promise<string[]>
  /** Of each of these requirements the first tasks that may be sent, at most `limit`; all by priority descending, then id ascending. */
  nextPending(requirements: readonly string[], limit: number): Promise<Task[]>
  /** Tasks that were not to be sent before `now` may be sent. */
  release(now: number): Promise<void>
  /**
   * pending → submitting on this node. The intent is on disk before the first byte is sent. Undefined when the task is not
   * pending any more or not as it was planned, and when the node is disabled.
   */
  begin(taskId: number, nodeId: number, at: number, planned?: Planned): Promise<Submission | undefined>
  /**
   * The node has the copy under this id: `sending` → `accepted`, its task submitting → processing. When the result is not wanted
   * any more the submission becomes `discarding` instead. Resolves with the submission as it is now. `others`: what else the node has
   * made of the same upload; each is a submission of its own, stale, of which one is the current one when this one fails or vanishes.
   */
  accepted(
    submissionId: number,
    nodeTaskId: number,
    at: number,
    others?: readonly number[],
  ): Promise<Submission | undefined>
  /** The node goes on with the copy under another id. */
  followed(submissionId: number, nodeTaskId: number): Promise<void>
  /**
   * The node surely has no copy: the submission is forgotten. If it was its task's current one, the task is pending again and
   * not sent before `notBefore`; `counted` adds one to its `requeues`, and when that exceeds `maxRequeues` the task fails.
   */
  vanished(submissionId: number, outcome: Requeue): Promise<void>
  /** As `vanished`, but the node may still have the copy: the submission stays, stale, to be collected or removed later. */
  abandoned(submissionId: number, outcome: Requeue): Promise<void>
  /**
   * Whether the result of this copy is to be fetched. Of a stale copy, of a failed task, and of a finished one of which reports may come
   * yet, it is for `amend`. Undefined when another copy is being fetched, and when the task needs no result any more; then the copy
   * becomes `discarding`. That no fetch of the same copy is under way is the caller's to know.
   */
  beginFetch(submissionId: number): Promise<Fetch | undefined>
  /** processing → fetching, for those who look on: it takes long. */
  fetching(submissionId: number): Promise<void>
  /** fetching → processing; to be fetched again. */
  fetchFailed(submissionId: number, error: string): Promise<void>
  /**
   * processing or fetching → finished, with reports that are complete on disk. All other copies become `discarding`, unless a report may
   * come yet; this one is the caller's to delete. `runningOn`: when the node was first seen to run it. False when the task was deleted: its
   * report directory is the caller's to remove.
   */
  finish(submissionId: number, reports: readonly Report[], at: number, runningOn?: number): Promise<boolean>
  /**
   * Adds to a task what a late fetch has brought; whatever its state, it is finished then, by this copy. Copies as with
   * `finish`. False when the task was deleted, is being fetched, or gains nothing.
   */
  amend(submissionId: number, reports: readonly Report[], at: number, runningOn?: number): Promise<boolean>
  /** Any unfinished state → failed. Copies stay on their nodes: one may have a result yet. False when the task was not unfinished. */
  fail(taskId: number, error: string, at: number): Promise<boolean>
  /** The node gave this copy up, which becomes `discarding`; its task fails if this is its current one. Resolves with whether it did. */
  failedOnNode(submissionId: number, error: string, at: number, runningOn?: number): Promise<boolean>
  /** Whether the result of this copy is still of use. */
  isWanted(submissionId: number): Promise<boolean>
  /** The nodes' copies are gone: the submissions are forgotten, and a deleted task with its last one. */
  discarded(submissionIds: readonly number[]): Promise<void>
  /** Why the pending tasks with each of these requirements wait; replaces all earlier reasons of requirements in the range. */
  setWaitReasons(reasons: ReadonlyMap<string, string>, range: Requirements): Promise<void>
  /** All submissions on this node, oldest first: as many as are in flight there, not as many as there are tasks. */
  submissions(nodeId: number): Promise<Submission[]>
  /** The task's submissions, oldest first. */
  submissionsOf(taskId: number): Promise<Submission[]>
  /** True when some submission on this node has this id there. */
  isClaimed(nodeId: number, nodeTaskId: number): Promise<boolean>
  /** Adds the ends of tasks up, so that counting them does not grow with their number. */
  foldCounts(): Promise<void>
  /** Counts the tasks that are over, some at a time, and mends their totals; resolves with what was added to them. Not beside `foldCounts`. */
  recount(signal: AbortSignal): Promise<Partial<Record<TaskState, number>>>
  /** fetching → processing for all: to be called by a new leader, as its predecessor's fetches ended with it. */
  recover(): Promise<void>
}

/** Files that no task needs any more: written down with the transition that made them so, until they are removed. */
export interface ObsoleteFiles {
  /** In a fixed order, behind `after` when that is given. */
  obsolete(limit: number, after?: ObsoleteFile): Promise<ObsoleteFile[]>
  removed(files: readonly ObsoleteFile[]): Promise<void>
}

export interface ObsoleteFile {
  readonly kind: 'sample' | 'reports'
  /** Relative to the samples directory; of reports the task's id, which is the name of its directory. */
  readonly path: string
}

export interface Fetch {
  /** The task stays as it is; what comes is for `amend`. */
  readonly late: boolean
  /** Formats that are kept already, or that the node surely does not have. */
  readonly settled: readonly string[]
}

/** What a task was planned by. */
export type Planned = Pick<Task, 'requirement' | 'priority'>

export type TaskChanges = Partial<Pick<Task, 'priority' | 'tags' | 'pinNodeId'>>

export interface Requeue {
  readonly at: number
  /** Shown with the task. */
  readonly error: string
  readonly notBefore: number
  readonly counted: boolean
  readonly maxRequeues: number
}
