/** The tables as the migrations make them. Flags are 0 and 1, as SQLite has no booleans; times are milliseconds since 1970. */
import type { SandboxKind } from '@cuckoo-distributed/sandbox-client'
import type { Generated, Kysely, Transaction } from 'kysely'
import type { NodeState, NodeTaskState, SubmissionState, TaskState } from './model.js'

export interface Tables {
  readonly cluster: ClusterTable
  readonly node: NodeTable
  readonly machine: MachineTable
  readonly task: TaskTable
  readonly task_total: TotalTable
  readonly task_change: ChangeTable
  readonly task_minute: MinuteTable
  readonly submission: SubmissionTable
  readonly report: ReportTable
  readonly wait_reason: WaitReasonTable
  readonly obsolete_file: ObsoleteFileTable
}

/** One row. */
export interface ClusterTable {
  store_id: string
  last_cycle: number | null
  /** 1 = the samples and reports directories have been marked as those of this database. */
  has_directories: Generated<number>
}

export interface NodeTable {
  id: Generated<number>
  name: string
  url: string
  /** The URL without final slashes; unique. */
  base_url: string
  enabled: number
  state: NodeState
  kind: SandboxKind | null
  last_seen: number | null
  last_error: string | null
  failures: number
  /** NodeCounters as JSON. */
  counters: string | null
  free_bytes: number | null
  /** Null = as many as any node. */
  max_pending: number | null
  /** Node.runningSince as JSON. */
  running: string | null
}

export interface MachineTable {
  node_id: number
  /** In the node's own list. */
  position: number
  name: string
  platform: string
  /** A list of texts as JSON. */
  tags: string
}

export interface TaskTable {
  id: Generated<number>
  state: TaskState
  /** 1 for finished and failed, so that an index serves lists of either kind. */
  finished: number
  filename: string | null
  url: string | null
  sample_path: string | null
  sample_size: number | null
  md5: string | null
  sha256: string | null
  package: string | null
  timeout: number | null
  priority: number
  options: string | null
  machine: string | null
  platform: string | null
  tags: string | null
  custom: string | null
  memory: string | null
  clock: string | null
  enforce_timeout: number | null
  owner: string | null
  requirement: string
  attempt: number
  submission_id: number | null
  requeues: number
  avoid_node: number | null
  node_id: number | null
  node_task_id: number | null
  error: string | null
  /** A pending task is not sent before. */
  not_before: number
  added_on: number
  started_on: number | null
  running_on: number | null
  completed_on: number | null
  pin_node: number | null
  /** A list of Retry as JSON; null = none. */
  retries: string | null
  node_state: NodeTaskState | null
}

/** Tasks that are finished, and that have failed, but for `task_change`. */
export interface TotalTable {
  state: TaskState
  tasks: number
}

/** What is to be added to the totals yet; the database writes it itself (migration 008). */
export interface ChangeTable extends TotalTable {
  id: Generated<number>
  /** With `minute`; null in what says nothing of ends by minute. */
  priority: number | null
  minute: number | null
}

/** Tasks that ended in a minute since 1970, in all and of two priorities, but for `task_change`; minute 0: in all minutes. */
export interface MinuteTable {
  minute: number
  tasks: number
  prio1: number
  prio2: number
}

export interface SubmissionTable {
  id: Generated<number>
  task_id: number
  attempt: number
  node_id: number
  node_task_id: number | null
  state: SubmissionState
  custom: string
  sha256: string | null
  begun_on: number
}

export interface ReportTable {
  task_id: number
  format: string
  size: number | null
  reason: string | null
  retry: number
}

export interface ObsoleteFileTable {
  kind: 'sample' | 'reports'
  path: string
}

export interface WaitReasonTable {
  requirement: string
  reason: string
}

export type Db = Kysely<Tables>
export type Tx = Transaction<Tables>
