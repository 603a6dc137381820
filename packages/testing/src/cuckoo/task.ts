/** A task as the stand-in keeps it, and as the API shows it. */
import { type Flavour, localAsUtc, localStamp } from './flavour.js'
import type { PythonValue } from './python-json.js'
import type { SampleFacts } from './sample.js'

/** `cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`; the last two only in CAPE (`kevoreilly/CAPEv2:lib/cuckoo/core/data/task.py`). */
export type TaskStatus =
  | 'pending'
  | 'running'
  | 'completed'
  | 'recovered'
  | 'reported'
  | 'failed_analysis'
  | 'failed_processing'
  | 'failed_reporting'
  | 'banned'
  | 'distributed'

/** The form fields of a submission, as Cuckoo keeps them. */
export interface Submission {
  readonly sample: SampleFacts
  /** The name after the server's own rules; the sent one is `sentName`. */
  readonly fileName: string
  readonly sentName: string
  readonly package: string
  /** Numbers as numbers, other text as it came: SQLite takes both. */
  readonly timeout: number | string
  readonly priority: number | string
  readonly options: string
  readonly machine: string
  readonly platform: string
  readonly tags: readonly string[]
  readonly custom: string
  readonly owner: string
  readonly memory: boolean
  readonly enforceTimeout: boolean
  readonly clock: Date | undefined
}

/** A submission without options, but for its sample. */
export const ANONYMOUS: Omit<Submission, 'sample'> = {
  fileName: 'a.exe',
  sentName: 'a.exe',
  package: '',
  timeout: 0,
  priority: 1,
  options: '',
  machine: '',
  platform: '',
  tags: [],
  custom: '',
  owner: '',
  memory: false,
  enforceTimeout: false,
  clock: undefined,
}

/** One analysis. The fields that change are read live. */
export interface CuckooTask extends Submission {
  readonly id: number
  readonly sampleId: number
  readonly addedOn: Date
  status: TaskStatus
  /** Every status the task has had, with its time; `deleted` closes the list when the row is gone. */
  readonly history: { readonly status: TaskStatus | 'deleted'; readonly at: Date }[]
  startedOn: Date | undefined
  /** When the virtual machine was done: before the report, and never for `failed_analysis`. */
  completedOn: Date | undefined
  /** Errors as `/tasks/view` lists them. */
  readonly errors: string[]
}

/** The row as `/tasks/view` and `/tasks/list` show it; only 2.0.7 spells dates differently in the two. */
export function taskJson(task: CuckooTask, flavour: Flavour, place: 'view' | 'list'): PythonValue {
  const stamp = (date: Date | undefined): string | null => {
    if (date === undefined) return null
    return flavour.httpDates && place === 'view' ? new Date(localAsUtc(date)).toUTCString() : localStamp(date)
  }
  return {
    started_on: stamp(task.startedOn),
    sample: sampleJson(task.sample, task.sampleId),
    sample_id: task.sampleId,
    id: task.id,
    category: 'file',
    priority: task.priority,
    errors: task.errors,
    guest: guestJson(task, flavour),
    clock: stamp(task.clock ?? task.addedOn),
    custom: task.custom,
    machine: task.machine,
    platform: task.platform,
    memory: task.memory,
    status: task.status,
    tags: task.tags,
    enforce_timeout: task.enforceTimeout,
    completed_on: stamp(task.completedOn),
    target: `/tmp/cuckoo-tmp/upload_${task.sample.md5.slice(0, 6)}/${task.fileName}`,
    package: task.package,
    timeout: task.timeout,
    options: flavour.newTaskFields ? optionsJson(task.options) : task.options,
    added_on: stamp(task.addedOn),
    ...(flavour.owner ? { owner: task.owner } : {}),
    ...(flavour.framework === 'flask' ? { processing: null, route: null } : {}),
    ...(flavour.newTaskFields ? { duration: duration(task), submit_id: null } : {}),
  }
}

/** The sample as a task and `/files/view` show it. */
export function sampleJson(sample: SampleFacts, id: number): { readonly [key: string]: PythonValue } {
  return {
    sha1: sample.sha1,
    file_type: sample.type,
    file_size: sample.size,
    crc32: sample.crc32,
    ssdeep: null,
    sha256: sample.sha256,
    sha512: sample.sha512,
    id,
    md5: sample.md5,
  }
}

function guestJson(task: CuckooTask, flavour: Flavour): PythonValue {
  if (task.startedOn === undefined) return {}
  const shutdown = task.completedOn ?? (task.status === 'running' ? undefined : task.startedOn)
  return {
    shutdown_on: shutdown === undefined ? null : localStamp(shutdown),
    task_id: task.id,
    label: 'cuckoo1',
    manager: 'VirtualBox',
    started_on: localStamp(task.startedOn),
    id: task.id,
    name: 'cuckoo1',
    ...(flavour.newTaskFields ? { status: shutdown === undefined ? 'init' : 'stopped' } : {}),
  }
}

function duration({ startedOn, completedOn }: CuckooTask): number {
  if (startedOn === undefined || completedOn === undefined) return -1
  return Math.floor((completedOn.getTime() - startedOn.getTime()) / 1000)
}

function optionsJson(options: string): PythonValue {
  const pairs = options.split(',').filter(option => option.includes('='))
  return Object.fromEntries(
    pairs.map(pair => [pair.slice(0, pair.indexOf('=')).trim(), pair.slice(pair.indexOf('=') + 1).trim()]),
  )
}

/** Throws RangeError for an unknown id. */
export function knownTask(tasks: ReadonlyMap<number, CuckooTask>, id: number): CuckooTask {
  const task = tasks.get(id)
  if (task === undefined) throw new RangeError(`the stand-in has no task ${id}`)
  return task
}
