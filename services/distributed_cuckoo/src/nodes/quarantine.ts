/** Whether a node that answers does its work as well. */
import { performance } from 'node:perf_hooks'
import { type BackOff, backOff } from '@cuckoo-distributed/wait'

export type Work = 'uploads' | 'reports' | 'lists'

/** Different items that must fail, with no success among them, until the node is to blame and not the items. */
const LIMIT = 3
/** Of the longest wait, in intervals between two looks at the node: four hours by default. */
const LONGEST = 480

interface Closed {
  readonly work: Work
  readonly since: number
  readonly until: number
  readonly error: string
}

/**
 * A node whose uploads, reports or lists fail although its status is well gets no tasks and is asked for no results, for a time that
 * doubles. Then it is on trial: the first success sets it free, the first failure sends it back. Times are those of `performance.now`.
 */
export class Quarantine {
  readonly #failed = new Map<Work, Set<number>>()
  readonly #waits: BackOff
  #closed: Closed | undefined

  /** `error`: why the node was in quarantine when its last worker ended; null = it was not. */
  constructor(intervalMs: number, error: string | null) {
    this.#waits = backOff({ initialMs: 2 * intervalMs, maxMs: LONGEST * intervalMs })
    if (error !== null) this.#close('reports', error)
  }

  /** Says that the node answered as it should. */
  succeeded(work: Work): void {
    this.#failed.delete(work)
    if (this.#closed?.work !== work) return
    this.#closed = undefined
    this.#waits.reset()
  }

  /** Says that the node failed at an item, known by its number, while its status was well. */
  failed(work: Work, item: number, error: string): void {
    const items = this.#failed.get(work) ?? new Set()
    this.#failed.set(work, items.add(item))
    if (items.size >= LIMIT || this.#closed?.work === work) this.#close(work, error)
  }

  /** What is wrong, from the beginning of the quarantine until a success; null = nothing. */
  get error(): string | null {
    return this.#closed?.error ?? null
  }

  /** Which work is to be tried: `none` before the trial, null when all is well. */
  get onTrial(): Work | 'none' | null {
    if (this.#closed === undefined) return null
    return this.#closed.until <= performance.now() ? this.#closed.work : 'none'
  }

  /** Whether this work is to be left alone now. */
  holds(work: Work): boolean {
    return this.#closed?.work === work && this.#closed.until > performance.now()
  }

  /** Milliseconds since the quarantine began; 0 without one. */
  get lastsMs(): number {
    return this.#closed === undefined ? 0 : performance.now() - this.#closed.since
  }

  #close(work: Work, error: string): void {
    const now = performance.now()
    this.#closed = { work, since: this.#closed?.since ?? now, until: now + this.#waits.next(), error }
  }
}
