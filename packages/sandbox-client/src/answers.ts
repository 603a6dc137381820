/** What Cuckoo answers, reduced to what is used, and checked. */
import { UnexpectedAnswerError } from './errors.js'
import { type Phase, phaseOf, successorIn } from './phase.js'

export interface CuckooStatus {
  /** As the server calls itself, e.g. `1.2`, `2.0-dev`, `2.0.7`. */
  readonly version: string
  readonly pending: number
  readonly running: number
  readonly completed: number
  readonly reported: number
  readonly total: number
  /**
   * False when the counters prove nothing: a failing database makes each of them 0, with status 200
   * (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `count_tasks`). True when one is above 0, or when machines are
   * listed, which the same failure would hide (`list_machines`): then Cuckoo really has no tasks yet.
   */
  readonly tasksKnown: boolean
  /** Of distributed_cuckoo: which cluster it is. */
  readonly instance?: string | undefined
  /** Free bytes where analyses are stored; Cuckoo 1.2 does not tell. */
  readonly freeBytes: number | undefined
  /** Bytes in which `freeBytes` is counted, so that nothing smaller can be told from none. Default 1. */
  readonly freeUnit?: number
}

export interface TaskSummary {
  readonly id: number
  /** How far it is. */
  readonly phase: Phase
  /** The server's own word for that, to be shown and not to be compared. */
  readonly status: string
  /** As given at creation; empty when none was. */
  readonly custom: string
  /** When the task was made; form and clock as of `completedOn`. Only of a CAPE. */
  readonly addedOn?: string | undefined
  /**
   * When the machine finished, on the server's clock and without a time zone: `YYYY-MM-DD HH:MM:SS`, but from
   * `viewTask` of 2.0 an RFC 1123 date that is wrongly called GMT. See `serverTime`.
   */
  readonly completedOn: string | undefined
  /** Of the file that Cuckoo received; undefined for URL tasks. */
  readonly md5: string | undefined
  readonly sha256: string | undefined
  /** The file may be a member of the archive that was uploaded, so that its hashes are no proof of anything. Default false. */
  readonly mayBeMember?: boolean
  /** Of a `replaced` task: which one it goes on as, if that is told. */
  readonly successor?: number | undefined
  /** What its machine must have. On 1.x they decide whether the task may be deleted, see `deleteTask`. */
  readonly tags: readonly string[]
  /** What went wrong in the analysis, in words. */
  readonly errors: readonly string[]
}

export interface CuckooMachine {
  readonly name: string
  /** Empty when the server does not tell. */
  readonly platform: string
  readonly tags: readonly string[]
}

/** The places for free space, best first; patched 1.2 servers call them `reports` and `samples`. */
const DISKS = ['analyses', 'reports', 'samples', 'binaries']

export function readStatus(answer: unknown, url: string): CuckooStatus {
  const { version, tasks, machines, diskspace, instance } = record(answer)
  if (!isRecord(tasks)) throw new UnexpectedAnswerError(url, 'tasks', 'an object')
  const counter = (name: string) => {
    const value = tasks[name] ?? 0
    if (!isCount(value)) throw new UnexpectedAnswerError(url, `tasks.${name}`, 'a number')
    return value
  }
  const [pending, running, completed] = [counter('pending'), counter('running'), counter('completed')]
  const [reported, total] = [counter('reported'), counter('total')]
  const disks = record(diskspace)
  return {
    version: typeof version === 'string' ? version : '',
    pending,
    running,
    completed,
    reported,
    total,
    tasksKnown: [pending, running, completed, reported, total, record(machines).total].some(n => Number(n) > 0),
    instance: text(instance),
    freeBytes: DISKS.map(name => record(disks[name]).free).find(isCount),
  }
}

/** Undefined for what `readTask` refuses: presence in a list is information, absence is not, so nothing is lost. */
export function readableTask(row: unknown, url: string): TaskSummary | undefined {
  try {
    return readTask(row, url)
  } catch {
    return undefined // UnexpectedAnswerError
  }
}

export function readTask(task: unknown, url: string): TaskSummary {
  const { id, status, custom, completed_on: completedOn, sample, tags, errors } = record(task)
  if (!isTaskId(id)) throw new UnexpectedAnswerError(url, 'task.id', 'a positive integer')
  if (typeof status !== 'string') throw new UnexpectedAnswerError(url, 'task.status', 'a text')
  const { md5, sha256 } = record(sample)
  return {
    id,
    phase: phaseOf(status),
    status,
    custom: text(custom) ?? '',
    completedOn: text(completedOn),
    md5: text(md5),
    sha256: text(sha256),
    tags: texts(tags),
    errors: texts(errors),
    ...(phaseOf(status) === 'replaced' && { successor: successorIn(text(custom) ?? '') }),
  }
}

export function readMachines(answer: unknown, url: string): CuckooMachine[] {
  const { machines } = record(answer)
  if (!Array.isArray(machines)) throw new UnexpectedAnswerError(url, 'machines', 'a list')
  return machines.map(machine => {
    const { name, platform, tags } = record(machine)
    if (typeof name !== 'string') throw new UnexpectedAnswerError(url, 'machines.name', 'a text')
    // Distributed Cuckoo of 2015 shows a machine without tags as [""] (`cuckoosandbox/cuckoo:utils/dist.py`).
    return { name, platform: text(platform) ?? '', tags: texts(tags).filter(tag => tag !== '') }
  })
}

/**
 * Either form of a date of Cuckoo as milliseconds on the server's own clock. The time zone is unknown: use it only to
 * compare dates of one server with one another. Undefined when the text is neither form.
 */
export function serverTime(date: string): number | undefined {
  const iso = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)$/.exec(date)
  const time = Date.parse(iso ? `${iso[1]}T${iso[2]}Z` : date.endsWith(' GMT') ? date : '')
  return Number.isNaN(time) ? undefined : time
}

export function isTaskId(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

/** The id, for a path. Throws RangeError for what is none. */
export function checkedId(id: number): number {
  if (!isTaskId(id)) throw new RangeError(`a task id must be a positive integer, not ${id}`)
  return id
}

/** The members of an object; of anything else, none. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** What a list holds in texts; of anything else, none. */
function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}
