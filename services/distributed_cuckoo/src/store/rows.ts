/** Rows of the database as the objects of the model, and back. */
import type { Selectable } from 'kysely'
import type { Machine, NewTask, Node, Report, Retry, Submission, Task, TaskState } from './model.js'
import { requirementOf } from './requirement.js'
import type { NodeTable, ReportTable, SubmissionTable, TaskTable } from './tables.js'

export type TaskRow = Selectable<TaskTable>

/** What a list reads of a task. */
export const LISTED_COLUMNS = [
  ...(['id', 'state', 'filename', 'url', 'sample_path', 'sample_size', 'md5', 'sha256', 'package', 'timeout'] as const),
  ...(['priority', 'options', 'machine', 'platform', 'tags', 'custom', 'memory', 'clock', 'enforce_timeout'] as const),
  ...(['owner', 'requirement', 'attempt', 'submission_id', 'requeues', 'avoid_node', 'node_id'] as const),
  ...(['node_task_id', 'error', 'added_on', 'started_on', 'running_on', 'completed_on'] as const),
  ...(['pin_node', 'retries', 'node_state'] as const),
] as const

/** A task with what its nodes say of it. */
export interface ListedRow extends Pick<TaskRow, (typeof LISTED_COLUMNS)[number]> {
  readonly node_name: string | null
  /** `NodeTable.running`, while the task is processing. */
  readonly node_running: string | null
  readonly pin_name: string | null
}

export function toTask(row: ListedRow): Task {
  // A server of an earlier version writes it down with the task.
  const since = row.running_on ?? runningOf(row.node_running)[row.submission_id ?? 0] ?? null
  const isRunning = row.node_state === 'running' || since !== null
  return {
    id: row.id,
    state: row.state,
    category: row.url === null ? 'file' : 'url',
    filename: row.filename,
    url: row.url,
    sampleSize: row.sample_size,
    md5: row.md5,
    sha256: row.sha256,
    samplePath: row.sample_path,
    package: row.package,
    timeout: row.timeout,
    priority: row.priority,
    options: row.options,
    machine: row.machine,
    platform: row.platform,
    tags: row.tags,
    custom: row.custom,
    memory: row.memory,
    clock: row.clock,
    enforceTimeout: row.enforce_timeout === null ? null : row.enforce_timeout === 1,
    owner: row.owner,
    requirement: row.requirement,
    attempt: row.attempt,
    submissionId: row.submission_id,
    requeues: row.requeues,
    avoidNodeId: row.avoid_node,
    nodeId: row.node_id,
    nodeName: row.node_name,
    nodeTaskId: row.node_task_id,
    nodeState: row.state === 'processing' ? (isRunning ? 'running' : 'pending') : null,
    pinNodeId: row.pin_node,
    pinNodeName: row.pin_name,
    retries: retriesOf(row),
    error: row.error,
    addedOn: row.added_on,
    startedOn: row.started_on,
    runningOn: since,
    completedOn: row.completed_on,
  }
}

export function newTaskRow(task: NewTask, at: number): Omit<TaskRow, 'id'> {
  return {
    ...stateColumns('pending'),
    filename: task.filename,
    url: task.url,
    sample_path: task.sample?.path ?? null,
    sample_size: task.sample?.size ?? null,
    md5: task.sample?.md5 ?? null,
    sha256: task.sample?.sha256 ?? null,
    package: task.package,
    timeout: task.timeout,
    priority: task.priority,
    options: task.options,
    machine: task.machine,
    platform: task.platform,
    tags: task.tags,
    custom: task.custom,
    memory: task.memory,
    clock: task.clock,
    enforce_timeout: task.enforceTimeout === null ? null : Number(task.enforceTimeout),
    owner: task.owner,
    requirement: requirementOf(task),
    attempt: 0,
    submission_id: null,
    requeues: 0,
    avoid_node: null,
    node_id: null,
    node_task_id: null,
    error: null,
    not_before: 0,
    added_on: at,
    started_on: null,
    running_on: null,
    completed_on: null,
    pin_node: task.pinNodeId,
    retries: null,
    node_state: null,
  }
}

/** Each is a text of a node, and there may be many. */
const MAX_RETRIES = 20

function retriesOf({ retries }: Pick<TaskRow, 'retries'>): Retry[] {
  return retries === null ? [] : JSON.parse(retries)
}

/** The column `retries` of a task for which this reason is added. */
export function withRetry(task: TaskRow, reason: string, at: number): Pick<TaskRow, 'retries'> {
  const all = [...retriesOf(task), { at, attempt: task.attempt, reason }]
  return { retries: JSON.stringify(all.slice(-MAX_RETRIES)) }
}

/** What a task is that no node has. */
export const UNSENT = {
  ...stateColumns('pending'),
  submission_id: null,
  node_id: null,
  node_task_id: null,
  node_state: null,
  started_on: null,
  running_on: null,
  completed_on: null,
}

export function stateColumns(state: TaskState): Pick<TaskRow, 'state' | 'finished'> {
  return { state, finished: state === 'finished' || state === 'failed' ? 1 : 0 }
}

/** What is sent as `custom` where the client has given none: no other task has it, on whatever node. */
export function ownMark(taskId: number, attempt: number): string {
  return `dist:${taskId}:${attempt}`
}

export function isOwnMark(custom: string): boolean {
  return /^dist:\d+:\d+$/.test(custom)
}

export function toSubmission(row: Selectable<SubmissionTable>): Submission {
  return {
    id: row.id,
    taskId: row.task_id,
    attempt: row.attempt,
    nodeId: row.node_id,
    nodeTaskId: row.node_task_id,
    state: row.state,
    custom: row.custom,
    sha256: row.sha256,
    begunOn: row.begun_on,
  }
}

export function toReport({ format, size, reason, retry }: Selectable<ReportTable>): Report {
  return { format, size, reason, retry: retry === 1 }
}

export function toNode(
  row: Selectable<NodeTable>,
  more: { readonly machines: readonly Machine[]; readonly inFlight: number },
): Node {
  return {
    id: row.id,
    name: row.name,
    url: row.url,
    enabled: row.enabled === 1,
    ...more,
    state: row.state,
    kind: row.kind,
    lastSeen: row.last_seen,
    lastError: row.last_error,
    failures: row.failures,
    counters: row.counters === null ? null : JSON.parse(row.counters),
    freeBytes: row.free_bytes,
    maxPending: row.max_pending,
    runningSince: runningOf(row.running),
  }
}

function runningOf(running: string | null): Node['runningSince'] {
  return running === null ? {} : JSON.parse(running)
}
