/** What the store holds. All times are milliseconds since 1970, UTC, by the clock of the process that wrote them. */
import type { SandboxKind } from '@cuckoo-distributed/sandbox-client'

export interface Machine {
  readonly name: string
  /** Empty when the node does not tell. */
  readonly platform: string
  readonly tags: readonly string[]
}

/**
 * What was observed of a node; whether it may get work is `enabled`, and losing contact never changes that. `quarantined`: it answers, but what is asked of it fails; why is in
 * `lastError`.
 */
export type NodeState = 'new' | 'up' | 'quarantined' | 'unreachable' | 'unauthorized'

/** The `tasks` object of a node's `/cuckoo/status`. */
export interface NodeCounters {
  readonly total: number
  readonly pending: number
  readonly running: number
  readonly completed: number
  readonly reported: number
}

export interface Node {
  readonly id: number
  /** Unique; `[A-Za-z0-9._-]{1,64}`. */
  readonly name: string
  /** As registered, with or without the final slash. */
  readonly url: string
  /** False: drains; it gets no new work, and what it has is collected. */
  readonly enabled: boolean
  readonly machines: readonly Machine[]
  readonly state: NodeState
  /** What it was found to be with the last success; null before that. */
  readonly kind: SandboxKind | null
  readonly lastSeen: number | null
  /** Why the last contact failed, or why it is quarantined; null after a success. */
  readonly lastError: string | null
  /** Failed contacts since the last success. */
  readonly failures: number
  /** Of the last success. */
  readonly counters: NodeCounters | null
  /** Copies of tasks that it has or may have. */
  readonly inFlight: number
  /** Free bytes where the node stores analyses, of the last success; null when it does not tell. */
  readonly freeBytes: number | null
  /** Pending tasks that it may have, where that is fewer than `Threshold`; null = as many. */
  readonly maxPending: number | null
  /** When copies that it runs were first seen to run, by their submissions; as of the last success. */
  readonly runningSince: Readonly<Record<number, number>>
}

export type NodeChanges = Partial<Pick<Node, 'name' | 'url' | 'enabled' | 'maxPending'>>

/**
 * pending → submitting → processing → fetching → finished, with `failed` for what no retry mends and `deleted` for a task
 * that a client deleted while a node still has a copy of it. `submitting`: a node is chosen, and may already have it.
 */
export type TaskState = 'pending' | 'submitting' | 'processing' | 'fetching' | 'finished' | 'failed' | 'deleted'

/** How far a task that a node has accepted is there. */
export type NodeTaskState = 'pending' | 'running'

/** Why a task was tried again, or failed. */
export interface Retry {
  readonly at: number
  /** The submission that came to nothing; 0 = none was begun. */
  readonly attempt: number
  readonly reason: string
}

/** A sample in the samples directory. */
export interface Sample {
  /** Relative to the samples directory. */
  readonly path: string
  readonly size: number
  readonly md5: string
  readonly sha256: string
}

/** What a client asked for; null = left out. */
export interface TaskOptions {
  readonly package: string | null
  /** Seconds. */
  readonly timeout: number | null
  readonly priority: number
  readonly options: string | null
  readonly machine: string | null
  readonly platform: string | null
  /** Separated by commas, as the client wrote it. */
  readonly tags: string | null
  readonly custom: string | null
  /** As the client wrote it; `isOn` tells its meaning. */
  readonly memory: string | null
  /** `MM-DD-YYYY HH:MM:SS`, or seconds since 1970 in digits. */
  readonly clock: string | null
  readonly enforceTimeout: boolean | null
  readonly owner: string | null
  /** The only node that may have it. */
  readonly pinNodeId: number | null
}

/** Of a file task `sample` and `filename` are set, of a URL task `url`. */
export interface NewTask extends TaskOptions {
  readonly sample: Sample | null
  /** Basename as the client sent it; for display and for the node, never for a path. */
  readonly filename: string | null
  readonly url: string | null
}

export interface Task extends TaskOptions {
  readonly id: number
  readonly state: TaskState
  readonly category: 'file' | 'url'
  readonly filename: string | null
  readonly url: string | null
  readonly sampleSize: number | null
  readonly md5: string | null
  readonly sha256: string | null
  /** Null for URL tasks, and once the sample is removed. */
  readonly samplePath: string | null
  /** Tasks with equal requirements can run on the same nodes. See `requirementOf`. */
  readonly requirement: string
  /** Submissions begun so far; the number of the last one. */
  readonly attempt: number
  /** The current submission; null while pending. */
  readonly submissionId: number | null
  /** How often it was put back to pending although a node may have had it. */
  readonly requeues: number
  /** The node that had its last try, if that came to nothing; another one is preferred. */
  readonly avoidNodeId: number | null
  /** Of the current submission. */
  readonly nodeId: number | null
  readonly nodeName: string | null
  /** The node's own id of the current submission. */
  readonly nodeTaskId: number | null
  /** As its node said last, of a task that is processing; of any other null. */
  readonly nodeState: NodeTaskState | null
  readonly pinNodeName: string | null
  /** The last twenty, oldest first. */
  readonly retries: readonly Retry[]
  /** Of a failed task its reason, of a finished one why a report is missing, else the last thing that went wrong; or null. */
  readonly error: string | null
  readonly addedOn: number
  /** When the current submission was accepted by its node. */
  readonly startedOn: number | null
  /** When its node said first that it runs the current submission; null where that was not seen. */
  readonly runningOn: number | null
  /** When it became finished or failed. */
  readonly completedOn: number | null
}

/**
 * A copy of a task on a node, from the intent to send it until the node's copy is gone for certain. `sending`: the node
 * may or may not have it. `accepted`: it has, under `nodeTaskId`. `discarding`: its result is stored or not wanted; the
 * node's copy is to be deleted. A submission that is not its task's current one is stale: its result is still welcome while the
 * task has none, or reports of it are missing. That of a failed task, too, which is finished then.
 */
export type SubmissionState = 'sending' | 'accepted' | 'discarding'

export interface Submission {
  readonly id: number
  readonly taskId: number
  readonly attempt: number
  readonly nodeId: number
  readonly nodeTaskId: number | null
  readonly state: SubmissionState
  /** What is sent as `custom`, by which alone it is found again: the client's own, else `dist:<id>:<attempt>`. */
  readonly custom: string
  readonly sha256: string | null
  readonly begunOn: number
}

/** A report that was asked of the node: kept as `report.<format>`, or missing. */
export interface Report {
  readonly format: string
  /** Bytes; null = it is missing. */
  readonly size: number | null
  /** Why it is missing; null when it is not. */
  readonly reason: string | null
  /** It is missing, but may come yet: its node's copy stays, and is asked for it now and then. */
  readonly retry: boolean
}

export interface TaskFilter {
  readonly states?: readonly TaskState[] | undefined
  readonly finished?: boolean | undefined
  readonly owner?: string | undefined
  readonly priority?: number | undefined
  readonly sha256?: string | undefined
  readonly md5?: string | undefined
  /** Completed at or after. */
  readonly completedAfter?: number | undefined
  /** Only tasks that come after this one in the list. */
  readonly after?: Pick<Task, 'id' | 'completedOn'> | undefined
  readonly offset?: number | undefined
  readonly limit?: number | undefined
}

/** `deleted` tasks are not counted. */
export type TaskCounts = Readonly<Record<Exclude<TaskState, 'deleted'>, number>>

/** The requirements behind `after` and up to `upTo` (undefined: the last one), in the order of the database. */
export interface Requirements {
  readonly after: string
  readonly upTo: string | undefined
}
