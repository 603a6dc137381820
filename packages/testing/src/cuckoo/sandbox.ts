/** The sandbox behind the API: machines that take tasks from `pending` to `reported`. */
import type { CuckooArtifacts } from './artifacts.js'
import type { Body } from './body.js'
import { memoryBody } from './body.js'
import { type DroppedFile, makeDropped } from './dropped.js'
import type { CuckooVersion } from './flavour.js'
import { makeReport, type Report, reportText } from './report.js'
import { readSample } from './sample.js'
import { ANONYMOUS, type CuckooTask, type Submission, type TaskStatus } from './task.js'

export interface SandboxOptions {
  readonly version: CuckooVersion
  /** Analyses that run at the same time. */
  readonly machines: number
  /** Default false: machines take tasks by themselves. */
  readonly idle?: boolean
  /** The tags of the machines, first to last. Default: none has any. */
  readonly machineTags: readonly (readonly string[])[]
  /** Milliseconds from `running` to `completed`; Infinity never ends. */
  readonly analysisTime: number | ((task: CuckooTask) => number)
  /** Milliseconds from `completed` to `reported`; Infinity leaves the task `completed`. */
  readonly processingTime: number | ((task: CuckooTask) => number)
  /** Default false: the id of the newest task comes back after it was deleted, as on SQLite. */
  readonly idsNeverReturn?: boolean
  /** What `report.json` holds; null: there is none although the task is reported. */
  readonly report: ((task: CuckooTask) => Report | string | Buffer | Body | null) | undefined
  /** The dropped files, a ready archive, or null for no `files` folder at all. */
  readonly dropped: ((task: CuckooTask) => readonly DroppedFile[] | Body | null) | undefined
  /** What else an analysis left. Default: nothing. */
  readonly artifacts?: ((task: CuckooTask) => CuckooArtifacts) | undefined
}

export interface Machine {
  readonly id: number
  readonly name: string
  readonly tags: readonly string[]
}

/** What an analysis left on the server's disk. */
export interface Storage {
  readonly report: Body | undefined
  readonly dropped: readonly DroppedFile[] | Body | undefined
  readonly artifacts: CuckooArtifacts
}

/** The states after which a task never runs again. */
export const ENDED_STATUSES: ReadonlySet<TaskStatus> = new Set([
  'reported',
  'failed_analysis',
  'failed_processing',
  'failed_reporting',
  'recovered',
  'banned',
])

/** Tasks, samples and folders. Its timers end with `stop`. */
export class Sandbox {
  /** The rows that exist now, by id. */
  readonly tasks = new Map<number, CuckooTask>()
  /** Every task that was ever created, deleted ones included, in order. */
  readonly submissions: CuckooTask[] = []
  /** The machines that exist now. */
  machines: readonly Machine[]
  readonly #options: SandboxOptions
  readonly #sampleIds = new Map<string, number>()
  readonly #storage = new Map<number, Storage>()
  readonly #timers = new Map<CuckooTask, NodeJS.Timeout>()
  readonly #counts = new Map<TaskStatus, number>()
  /** The highest id of a row that exists. */
  #newest = 0

  constructor(options: SandboxOptions) {
    this.#options = options
    this.machines = Array.from({ length: options.machines }, (_, index) => ({
      id: index + 1,
      name: `cuckoo${index + 1}`,
      tags: options.machineTags[index] ?? [],
    }))
  }

  add(submission: Submission): CuckooTask {
    const sampleId = this.#sampleIds.get(submission.sample.sha256) ?? this.#sampleIds.size + 1
    this.#sampleIds.set(submission.sample.sha256, sampleId)
    const addedOn = new Date()
    const task: CuckooTask = {
      ...submission,
      // SQLite gives the highest id plus one: the id of the newest task comes back after it was deleted.
      id: this.#newest + 1,
      sampleId,
      addedOn,
      status: 'pending',
      history: [{ status: 'pending', at: addedOn }],
      startedOn: undefined,
      completedOn: undefined,
      errors: [],
    }
    this.tasks.set(task.id, task)
    this.submissions.push(task)
    this.#newest = task.id
    this.#counts.set('pending', this.count('pending') + 1)
    this.#fillMachines()
    return task
  }

  count(status: TaskStatus): number {
    return this.#counts.get(status) ?? 0
  }

  /** Puts tasks there that were reported at these times, without reports. */
  async remember(completedOn: readonly Date[]): Promise<void> {
    const sample = await readSample([Buffer.from('MZ')])
    for (const date of completedOn) {
      const id = this.#newest + 1
      const times = { addedOn: date, startedOn: date, completedOn: date, history: [] }
      this.tasks.set(id, { ...ANONYMOUS, ...times, id, sample, sampleId: 0, status: 'reported', errors: [] })
      this.#newest = id
    }
    this.#counts.set('reported', this.count('reported') + completedOn.length)
  }

  get freeMachines(): number {
    return Math.max(0, this.machines.length - this.count('running'))
  }

  /** The folder of an analysis; undefined when it was never made or was deleted. */
  storageOf(id: number): Storage | undefined {
    return this.#storage.get(id)
  }

  /** Moves a task to any status at once, as a crash, a restart or an operator would; its timer ends. */
  move(task: CuckooTask, status: TaskStatus, error?: string): void {
    if (this.tasks.get(task.id) !== task) throw new RangeError(`task ${task.id} does not exist any more`)
    clearTimeout(this.#timers.get(task))
    this.#timers.delete(task)
    if (error !== undefined) task.errors.push(error)
    this.#counts.set(task.status, this.count(task.status) - 1)
    this.#counts.set(status, this.count(status) + 1)
    task.status = status
    task.history.push({ status, at: new Date() })
    if (status === 'running') this.#start(task)
    if (status === 'completed') this.#complete(task)
    if (status === 'reported') this.#write(task)
    if (ENDED_STATUSES.has(status) && !this.#storage.has(task.id))
      this.#storage.set(task.id, this.#leftovers(task, false))
    this.#fillMachines()
  }

  /**
   * Deletes a task as Cuckoo's API does. Before August 2015 its ORM cascaded: every other task and machine with one of the
   * task's tags went, too, and of those tasks the folders stayed (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`).
   */
  delete(task: CuckooTask, { cascadesTags }: { readonly cascadesTags: boolean }): void {
    const shares = ({ tags }: { readonly tags: readonly string[] }) => tags.some(tag => task.tags.includes(tag))
    this.remove(task)
    if (!cascadesTags) return
    this.machines = this.machines.filter(machine => !shares(machine))
    for (const other of [...this.tasks.values()].filter(shares)) this.#removeRow(other)
  }

  /** Removes row and folder. */
  remove(task: CuckooTask): void {
    this.#storage.delete(task.id)
    this.#removeRow(task)
    this.#fillMachines()
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  #removeRow(task: CuckooTask): void {
    clearTimeout(this.#timers.get(task))
    this.#timers.delete(task)
    if (!this.tasks.delete(task.id)) return
    task.history.push({ status: 'deleted', at: new Date() })
    this.#counts.set(task.status, this.count(task.status) - 1)
    if (this.#options.idsNeverReturn === true) return
    if (task.id === this.#newest) this.#newest = Math.max(0, ...this.tasks.keys())
  }

  #fillMachines(): void {
    if (this.#options.idle === true || this.freeMachines === 0 || this.count('pending') === 0) return
    const waiting = [...this.tasks.values()].filter(task => task.status === 'pending')
    const urgency = (task: CuckooTask): number => Number(task.priority) || 0
    const next = waiting.sort((a, b) => urgency(b) - urgency(a) || a.id - b.id)[0]
    if (next !== undefined) this.move(next, 'running')
  }

  #start(task: CuckooTask): void {
    task.startedOn = new Date()
    this.#storage.set(task.id, { report: undefined, dropped: undefined, artifacts: {} })
    this.#later(task, this.#options.analysisTime, 'completed')
  }

  #complete(task: CuckooTask): void {
    task.completedOn ??= new Date()
    this.#later(task, this.#options.processingTime, 'reported')
  }

  #write(task: CuckooTask): void {
    task.completedOn ??= new Date()
    this.#storage.set(task.id, this.#leftovers(task, true))
  }

  #leftovers(task: CuckooTask, reported: boolean): Storage {
    const dropped =
      this.#options.dropped === undefined ? makeDropped(task.sample, task.fileName) : this.#options.dropped(task)
    const artifacts = this.#options.artifacts?.(task) ?? {}
    return { report: reported ? this.#report(task, dropped) : undefined, dropped: dropped ?? undefined, artifacts }
  }

  #report(task: CuckooTask, dropped: readonly DroppedFile[] | Body | null): Body | undefined {
    const { report, version } = this.#options
    const files = dropped !== null && !('stream' in dropped) ? { dropped } : {}
    const content =
      report === undefined
        ? makeReport(task.sample, {
            version,
            id: task.id,
            name: task.fileName,
            custom: task.custom,
            package: task.package,
            started: task.startedOn ?? task.addedOn,
            ended: task.completedOn ?? new Date(),
            errors: task.errors,
            ...files,
          })
        : report(task)
    if (content === null) return undefined
    if (typeof content === 'string' || Buffer.isBuffer(content)) return memoryBody(content)
    return isBody(content) ? content : memoryBody(reportText(content))
  }

  #later(task: CuckooTask, time: number | ((task: CuckooTask) => number), status: TaskStatus): void {
    const milliseconds = typeof time === 'function' ? time(task) : time
    if (milliseconds === Number.POSITIVE_INFINITY) return
    this.#timers.set(
      task,
      setTimeout(() => this.move(task, status), milliseconds),
    )
  }
}

function isBody(content: Report | Body): content is Body {
  return typeof content.stream === 'function'
}
