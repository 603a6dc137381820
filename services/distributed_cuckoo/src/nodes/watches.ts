/**
 * What is remembered of the copies on one node between two looks at them. Lost with the process, but for which of them run: then all are
 * looked at.
 */
import { performance } from 'node:perf_hooks'
import type { Node, Submission } from '../store/model.js'
import type { Copy } from './session.js'

/** Pending tasks with this many others before them, for each machine, cannot be done soon. */
const AHEAD = 4
const SELDOM = 5
/** Each wait after a fetch that failed is this many times the one before, up to so many intervals: six hours by default. */
const FACTOR = 4
const LONGEST = 720

export interface Watch {
  /** Time by `performance.now` before which the copy is left alone. */
  due: number
  /** Answers in a row that the node has no such task. */
  misses: number
  /** Fetches that did not bring all reports. */
  fetches: number
  /** Time by `performance.now` of the first of the looks in a row that failed. */
  failingSince: number | undefined
  /** When the node was first seen to run it; undefined while it waits there. */
  runningOn: number | undefined
}

export class Watches {
  readonly #intervalMs: number
  readonly #watches = new Map<number, Watch>()
  /** As a former process has seen it. */
  readonly #runningBefore: Node['runningSince']

  constructor(intervalMs: number, runningBefore: Node['runningSince']) {
    this.#intervalMs = intervalMs
    this.#runningBefore = runningBefore
  }

  /** The copies that run. */
  get runningSince(): Node['runningSince'] {
    const all = [...this.#watches].flatMap(([id, { runningOn }]) => (runningOn === undefined ? [] : [[id, runningOn]]))
    return Object.fromEntries(all)
  }

  of(submission: Submission): Watch {
    const known = this.#watches.get(submission.id)
    if (known !== undefined) return known
    const runningOn = this.#runningBefore[submission.id]
    const watch = { due: 0, misses: 0, fetches: 0, failingSince: undefined, runningOn }
    this.#watches.set(submission.id, watch)
    return watch
  }

  /** Those that are due, longest overdue first, each with the number of copies that are older. */
  due(copies: readonly Copy[]): { readonly copy: Copy; readonly ahead: number }[] {
    const now = performance.now()
    const all = copies.map((copy, ahead) => ({ copy, ahead, due: this.of(copy).due }))
    return all.filter(({ due }) => due <= now).sort((a, b) => a.due - b.due || a.ahead - b.ahead)
  }

  /** The next look is after the usual interval, or after five of them for a task that waits behind many others. */
  later(submission: Submission, waiting?: { readonly ahead: number; readonly machines: number }): void {
    const isFar = waiting !== undefined && waiting.ahead > AHEAD * Math.max(1, waiting.machines)
    this.#after(submission, isFar ? SELDOM : 1)
  }

  /** The next look is the later the more fetches have failed. */
  muchLater(submission: Submission): void {
    this.#after(submission, Math.min(FACTOR ** this.of(submission).fetches, LONGEST))
  }

  /** Forgets all but these. */
  keepOnly(submissions: readonly Submission[]): void {
    const ids = new Set(submissions.map(({ id }) => id))
    for (const id of this.#watches.keys()) if (!ids.has(id)) this.#watches.delete(id)
  }

  /** Milliseconds until the first of these is due. */
  untilDue(submissions: readonly Submission[]): number {
    const first = submissions.reduce(
      (due, submission) => Math.min(due, this.of(submission).due),
      Number.POSITIVE_INFINITY,
    )
    return Math.max(0, first - performance.now())
  }

  #after(submission: Submission, intervals: number): void {
    this.of(submission).due = performance.now() + intervals * this.#intervalMs
  }
}
