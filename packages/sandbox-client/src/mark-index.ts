/**
 * Finds the task that carries a mark: by the search for its file where the sandbox has one. Cuckoo has none, nor one by
 * `custom`, so its lists are read once for all who look.
 */
import { type BackOff, backOff, delay, SharedWork } from '@cuckoo-distributed/wait'
import type { TaskSummary } from './answers.js'
import { DoubtfulListsError } from './errors.js'
import { ListWindow } from './list-window.js'
import { isMarked, type Marked, type TaskMark, uploadOf } from './mark.js'
import { type ListedPhase, OPEN_PHASES } from './phase.js'
import type { TaskQueries } from './sandbox.js'

export interface MarkIndexOptions {
  readonly cuckoo: TaskQueries
  /** Whether tasks that have failed, or that go on as others, are found as well. Default false. */
  readonly failedToo?: boolean
  /** Looks at lists that contradict the counters before a look rejects with DoubtfulListsError. Default: no bound. */
  readonly maxLooks?: number
  /** Waits before lists are read again that were not believed; the first time they are at once. Default 1 s, growing to 30 s. */
  readonly pause?: () => BackOff
  /** Called for lists that are not believed. */
  readonly onDoubt?: (phases: readonly ListedPhase[], looks: number) => void
}

export interface LookOptions {
  /**
   * By `performance.now`: what may have made the task was over by then (the message was delivered, the upload had ended).
   * Only lists that were asked for later prove that there is none.
   */
  readonly after: number
  readonly signal: AbortSignal
  /** A further condition. Default: none. */
  readonly accept?: (task: TaskSummary) => boolean | Promise<boolean>
}

const HISTORY_MS = 7 * 24 * 3_600_000
/** An empty list of reported tasks may be true although some were reported long ago: believed when it is repeated. */
const LOOKS_AT_REPORTED = 3
/** A 404 also comes from a failing database (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `view_task`). */
const MISSES = 3
/** More marks than were found at first by this many: they are collected anew, so that those of deleted tasks go. */
const GROWTH = 100_000

/**
 * The marks of a sandbox's tasks, filled once with those that are open or were reported within 7 days, then kept up with
 * what is new: all that are open, and those that were reported since three hours before the newest one known.
 *
 * A failing database of Cuckoo answers an empty list, or counters of 0, with status 200
 * (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `list_tasks`, `count_tasks`). So empty lists are compared with the
 * counters, and while they disagree they are read again and prove nothing.
 */
export class MarkIndex {
  readonly #options: MarkIndexOptions
  readonly #entries = new Map<number, Marked>()
  readonly #byCustom = new Map<string, Set<number>>()
  readonly #refreshing = new SharedWork(signal => this.#refresh(signal))
  #window = new ListWindow()
  /** When the lists that are known were asked for (`performance.now`). */
  #freshAt = Number.NEGATIVE_INFINITY
  #sizeAtFirst: number | undefined

  constructor(options: MarkIndexOptions) {
    this.#options = options
  }

  /**
   * The newest task with the mark that is of use and accepted, as a view shows it, or undefined when there surely is none. Rejects
   * with what the questions throw, with DoubtfulListsError, and with `signal.reason`.
   */
  async find(mark: TaskMark, options: LookOptions): Promise<TaskSummary | undefined> {
    const { accept } = options
    for await (const task of this.#marked(mark, options)) {
      if (this.#isOfUse(task) && (accept === undefined || (await accept(task)))) return task
    }
    return undefined
  }

  /**
   * All tasks of the newest upload with the mark of which one at least is of use, the first one first; none when there surely is none.
   * A CAPE makes several of some containers, one for each member, of which some may have failed by now: these the search shows, but no
   * list. Rejects as `find`.
   */
  async findUpload(mark: TaskMark, options: LookOptions): Promise<TaskSummary[]> {
    const { accept } = options
    const tasks = new Map<number, TaskSummary>()
    for await (const task of this.#marked(mark, options)) {
      if (task.phase === 'replaced' || (accept !== undefined && !(await accept(task)))) continue
      // Any other sandbox makes one task of an upload.
      if (task.mayBeMember !== true && this.#isOfUse(task)) return [task]
      tasks.set(task.id, task)
    }
    const byAge = [...tasks.values()].sort((a, b) => a.id - b.id)
    const newest = byAge.findLast(task => this.#isOfUse(task))
    return newest === undefined ? [] : uploadOf(newest, byAge, task => this.#isOfUse(task))
  }

  /** Every task with the mark, newest first; one may come twice. Ends when there surely is no other. */
  async *#marked(mark: TaskMark, { after, signal }: LookOptions): AsyncGenerator<TaskSummary> {
    const found = await this.#search(mark, signal)
    if (found !== undefined) return yield* found
    yield* this.#known(mark, signal)
    if (this.#freshAt >= after) return
    // A refresh that others wait for may have begun too early.
    while (this.#freshAt < after) await this.#refreshing.join(signal)
    yield* this.#known(mark, signal)
  }

  /** Undefined where there is no search. */
  async #search(mark: TaskMark, signal: AbortSignal): Promise<TaskSummary[] | undefined> {
    if (mark.md5 === undefined && mark.sha256 === undefined) return undefined
    const found = await this.#options.cuckoo.searchTasks?.(mark, signal)
    return found?.filter(task => isMarked(task, { ...mark, shared: false })).sort((a, b) => b.id - a.id)
  }

  async *#known(mark: TaskMark, signal: AbortSignal): AsyncGenerator<TaskSummary> {
    const ids = [...(this.#byCustom.get(mark.custom) ?? [])].sort((a, b) => b - a)
    for (const id of ids) {
      const entry = this.#entries.get(id)
      if (entry === undefined || !isMarked(entry, mark)) continue
      const task = await this.#view(id, signal)
      if (task === undefined || !isMarked(task, mark)) this.#forget(id)
      else yield task
    }
  }

  /** The task as it is now; undefined when it is surely gone. */
  async #view(id: number, signal: AbortSignal): Promise<TaskSummary | undefined> {
    const pause = this.#pause()
    for (let misses = 1; ; misses += 1) {
      const task = await this.#options.cuckoo.viewTask(id, signal)
      if (task !== undefined) return task
      const { tasksKnown } = await this.#options.cuckoo.status(signal)
      if (!tasksKnown) misses = 0
      if (misses >= MISSES) return undefined
      await delay(pause.next(), signal)
    }
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const { maxLooks = Number.POSITIVE_INFINITY, onDoubt } = this.#options
    if (this.#entries.size > (this.#sizeAtFirst ?? 0) * 2 + GROWTH) this.#clear()
    const pause = this.#pause()
    for (let looks = 1; ; looks += 1) {
      const asked = performance.now()
      const doubted = await this.#look(looks, signal)
      if (doubted.length === 0) {
        this.#freshAt = asked
        this.#sizeAtFirst ??= this.#entries.size
        return
      }
      onDoubt?.(doubted, looks)
      if (looks >= maxLooks) throw new DoubtfulListsError(doubted)
      if (looks > 1) await delay(pause.next(), signal)
    }
  }

  /** Reads all lists; resolves with the phases whose list cannot be believed. */
  async #look(looks: number, signal: AbortSignal): Promise<ListedPhase[]> {
    const { cuckoo, failedToo = false } = this.#options
    const empty: ListedPhase[] = []
    const read = async (phase: ListedPhase, completedAfter?: number) => {
      const tasks = await cuckoo.listTasks({ phase, completedAfter }, signal)
      for (const task of tasks) this.#add(task)
      if (tasks.length === 0) empty.push(phase)
      return tasks
    }
    for (const phase of OPEN_PHASES) await read(phase)
    // Before the last list and right after the others, so that work that goes on meanwhile seldom looks like a contradiction.
    const counters = await cuckoo.status(signal)
    const start = looks > 1 ? Date.now() - HISTORY_MS : this.#window.start(Date.now() - HISTORY_MS)
    const reported = await read('reported', start / 1000)
    if (failedToo) await read('failed')
    if (!counters.tasksKnown) return [...OPEN_PHASES, 'reported']
    const counted = {
      pending: counters.pending,
      running: counters.running,
      processing: counters.completed,
      reported: looks >= LOOKS_AT_REPORTED ? 0 : counters.reported,
      failed: 0,
      ended: 0,
    }
    const doubted = empty.filter(phase => counted[phase] > 0)
    if (doubted.length === 0) this.#window.answered(start, reported)
    return doubted
  }

  #isOfUse({ phase }: TaskSummary): boolean {
    return this.#options.failedToo === true || (phase !== 'failed' && phase !== 'replaced')
  }

  #add({ id, custom, md5, sha256, mayBeMember = false }: TaskSummary): void {
    this.#forget(id)
    if (custom === '') return
    this.#entries.set(id, { custom, md5, sha256, mayBeMember })
    const ids = this.#byCustom.get(custom) ?? new Set()
    this.#byCustom.set(custom, ids.add(id))
  }

  #forget(id: number): void {
    const custom = this.#entries.get(id)?.custom
    if (custom === undefined) return
    this.#entries.delete(id)
    const ids = this.#byCustom.get(custom)
    ids?.delete(id)
    if (ids?.size === 0) this.#byCustom.delete(custom)
  }

  #clear(): void {
    this.#entries.clear()
    this.#byCustom.clear()
    this.#window = new ListWindow()
    this.#sizeAtFirst = undefined
  }

  #pause(): BackOff {
    return this.#options.pause?.() ?? backOff({ initialMs: 1000, maxMs: 30_000 })
  }
}
