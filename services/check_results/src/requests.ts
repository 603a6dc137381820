// What is asked of one Cuckoo, one request after another, and what its answers mean for the tasks that are watched.
import { describeError, type Logger } from '@cuckoo-distributed/core'
import type { Availability } from '@cuckoo-distributed/http'
import {
  believedStatus,
  ListWindow,
  MarkIndex,
  type SandboxClient,
  type TaskMark,
  type TaskSummary,
} from '@cuckoo-distributed/sandbox-client'
import { isTroubled, lastSeen, untroubled, type WatchClocks, watchedMs } from './clocks.js'
import { overdue, successorMissing, TaskVanishedError, taskFailed } from './verdicts.js'

/** What is known of the Cuckoo that is watched. */
export interface WatcherOptions {
  readonly client: Pick<SandboxClient, 'baseUrl' | 'intervalMs' | 'status' | 'listTasks' | 'viewTask' | 'searchTasks'>
  readonly availability: Availability
  /** Names the Cuckoo. */
  readonly log: Logger
  /** Ends everything. */
  readonly stop: AbortSignal
  /** Milliseconds between an answer and the next request. */
  readonly intervalMs: number
  /** Milliseconds from the start of a watch, times when Cuckoo was away left out. */
  readonly deadlineMs: number
}

/** One message's task. */
export interface Watch {
  /** Changes when Cuckoo goes on with another task. */
  taskId: number
  readonly clocks: WatchClocks
  /** Ends the watch. */
  reported(): void
  /** Ends the watch, and its clocks. */
  failed(error: unknown): void
  /** Ends the watch, which may go on later. */
  interrupted(error: unknown): void
}

export interface Request {
  /** Asks, and tells the watches what the answer means for them. */
  readonly ask: (signal: AbortSignal) => Promise<void>
  /** Cuckoo is well, but refuses to answer this. */
  readonly refused: (error: unknown) => void
}

/** Every so many requests are a single view. */
const VIEW_EVERY = 5
/** When lists are of no use, every so many requests are a list. */
const LIST_EVERY = 60
/** Lists that fail in a row while Cuckoo is well. */
const LIST_FAILURES = 3
/** Lists that contradict the counters before the search for a task is put off. */
const LOOKS = 3

/**
 * What an answer shows is believed; what it does not show means nothing, since lists are empty and tasks unknown whenever
 * Cuckoo's database fails.
 */
export class Requests {
  readonly #options: WatcherOptions
  readonly #watches: ReadonlySet<Watch>
  readonly #window = new ListWindow()
  readonly #marks: MarkIndex
  readonly #urgent: Request[] = []
  /** The tasks that Cuckoo has gone on with, by the id of the one before. */
  readonly #successors = new Map<number, number>()
  readonly #oddStates = new Set<string>()
  #count = 0
  #listFailures = 0

  constructor(options: WatcherOptions, watches: ReadonlySet<Watch>) {
    this.#options = options
    this.#watches = watches
    this.#marks = new MarkIndex({ cuckoo: options.client, maxLooks: LOOKS })
  }

  /** The next request; undefined when nothing is watched. */
  next(): Request | undefined {
    const urgent = this.#urgent.shift()
    if (urgent !== undefined) return urgent
    const [longestUnseen] = [...this.#watches].sort((a, b) => lastSeen(a.clocks) - lastSeen(b.clocks))
    const late = [...this.#watches].find(watch => this.#isOverdue(watch))
    if (longestUnseen === undefined) return undefined
    if (late !== undefined) return this.#view(late)
    this.#count += 1
    const listsAreOfUse = !this.#window.isBlind && this.#listFailures < LIST_FAILURES
    const isOther = this.#count % (listsAreOfUse ? VIEW_EVERY : LIST_EVERY) === 0
    return isOther === listsAreOfUse ? this.#view(longestUnseen) : this.#list()
  }

  #list(): Request {
    const { client, log } = this.#options
    return {
      ask: async signal => {
        const oldestWatch = Math.min(...[...this.#watches].map(({ clocks }) => clocks.watchedSince ?? Date.now()))
        const start = this.#window.start(oldestWatch)
        const tasks = await client.listTasks({ phase: 'ended', completedAfter: start / 1000 }, signal)
        this.#window.answered(start, tasks)
        if (this.#listFailures >= LIST_FAILURES) log.info('the lists of Cuckoo can be read again')
        this.#listFailures = 0
        const watched = this.#watchesByTask()
        for (const task of tasks) this.#end(task, watched.get(task.id) ?? [])
      },
      refused: error => {
        this.#listFailures += 1
        if (this.#listFailures !== LIST_FAILURES) return
        log.warn({ cause: describeError(error) }, 'the lists of Cuckoo cannot be read; checking each task individually')
      },
    }
  }

  #view({ taskId }: Watch): Request {
    const { client, log } = this.#options
    const watches = () => this.#watchesOf(taskId)
    for (const { clocks } of watches()) clocks.viewedAt = Date.now()
    return {
      ask: async signal => {
        const task = await client.viewTask(taskId, signal)
        const viewed = watches()
        if (task === undefined) this.#missing(viewed)
        else {
          if (task.id !== taskId) this.#goOn(taskId, task.id, viewed)
          this.#judge(task, viewed)
        }
        for (const watch of viewed)
          if (this.#watches.has(watch) && this.#isOverdue(watch)) this.#overdue(watch, task?.status)
      },
      refused: error => {
        log.warn({ taskId, cause: describeError(error) }, 'Cuckoo does not show a task')
        for (const watch of watches()) {
          if (this.#isOverdue(watch)) this.#overdue(watch, undefined)
          else if (isTroubled(watch.clocks)) watch.failed(error)
        }
      },
    }
  }

  /** A list may be as long as there are watches. */
  #watchesByTask(): Map<number, Watch[]> {
    const byTask = new Map<number, Watch[]>()
    for (const watch of this.#watches) byTask.set(watch.taskId, [...(byTask.get(watch.taskId) ?? []), watch])
    return byTask
  }

  #watchesOf(taskId: number): Watch[] {
    return [...this.#watches].filter(watch => watch.taskId === taskId)
  }

  #judge(task: TaskSummary, watches: readonly Watch[]): void {
    const { phase, status } = task
    if (phase === 'reported') this.#window.missed(task)
    if (phase === 'replaced') {
      this.#urgent.push(this.#follow(task, watches))
      return
    }
    if (phase === 'unknown' && !this.#oddStates.has(status)) {
      this.#options.log.warn({ status }, 'a task has an unknown status; still watching it')
      this.#oddStates.add(status)
    }
    for (const { clocks } of watches) untroubled(clocks)
    this.#end(task, watches)
  }

  #end(task: TaskSummary, watches: readonly Watch[]): void {
    for (const watch of watches) {
      if (task.phase === 'reported') watch.reported()
      else if (task.phase === 'failed') watch.failed(taskFailed(task))
    }
  }

  /** A 404 that is repeated for minutes counts if Cuckoo is well otherwise. */
  #missing(watches: readonly Watch[]): void {
    const vanished = watches.filter(({ clocks }) => isTroubled(clocks))
    if (vanished.length === 0) return
    this.#urgent.push({
      ask: async signal => {
        await believedStatus(this.#options.client, signal)
        for (const watch of vanished) if (this.#watches.has(watch)) watch.failed(new TaskVanishedError(watch.taskId))
      },
      refused: () => undefined, // the next view that does not show the task asks again
    })
  }

  /** Looks for the task that Cuckoo goes on with: the same mark and file, made later, and not in place of yet another one. */
  #follow(task: TaskSummary, watches: readonly Watch[]): Request {
    const missing = (cause?: unknown) => {
      for (const watch of watches) {
        if (this.#watches.has(watch) && isTroubled(watch.clocks)) watch.failed(successorMissing(task, cause))
      }
    }
    return {
      ask: async signal => {
        const successor = this.#successors.get(task.id) ?? (await this.#successorOf(task, signal))
        if (successor === undefined) return missing()
        this.#goOn(task.id, successor, watches)
      },
      refused: missing,
    }
  }

  #goOn(taskId: number, successor: number, watches: readonly Watch[]): void {
    this.#successors.set(taskId, successor)
    this.#options.log.info({ taskId, successor }, 'Cuckoo continues with another task; watching that one')
    for (const watch of watches) {
      untroubled(watch.clocks)
      watch.taskId = successor
      watch.clocks.taskId = successor
    }
  }

  async #successorOf(task: TaskSummary, signal: AbortSignal): Promise<number | undefined> {
    const mark: TaskMark = { custom: task.custom, md5: task.md5?.toLowerCase(), sha256: task.sha256?.toLowerCase() }
    const others = new Set(this.#successors.values())
    const accept = ({ id }: TaskSummary) => id > task.id && !others.has(id)
    return (await this.#marks.find(mark, { after: performance.now(), signal, accept }))?.id
  }

  #isOverdue({ clocks }: Watch): boolean {
    return watchedMs(clocks, Date.now()) > this.#options.deadlineMs
  }

  #overdue(watch: Watch, status: string | undefined): void {
    watch.failed(overdue(watch.taskId, status, this.#options.deadlineMs))
  }
}
