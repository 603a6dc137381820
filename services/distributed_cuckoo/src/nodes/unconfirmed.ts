/** Submissions of which nobody knows whether the node has them: after a crash, or after an upload without a clear answer. */
import { performance } from 'node:perf_hooks'
import { ServerAwayError } from '@cuckoo-distributed/http'
import { DoubtfulListsError, isMarked, MarkIndex, type TaskSummary } from '@cuckoo-distributed/sandbox-client'
import type { Submission } from '../store/model.js'
import { isOwnMark } from '../store/rows.js'
import type { NodeSession } from './session.js'
import { troubleOf } from './trouble.js'

/** A node with several threads may still be storing an upload that nobody waits for; for so long its copy is looked for. */
const LATE_MS = 60_000
/** Between two looks, at least. */
const PAUSE_MS = 2000
/** At lists that contradict the node's counters, before the node gets on with other work. */
const LOOKS = 3

export class Unconfirmed {
  readonly #session: NodeSession
  /** Tasks whose last upload failed under this process; that may be the task's own fault, so it counts. By id, with the attempt. */
  readonly #failed = new Map<number, number>()
  /** When to look again, by `performance.now`. */
  readonly #due = new Map<number, number>()
  /** Submissions that the node did not have at the last look. */
  readonly #missed = new Set<number>()
  #listFailures = 0

  constructor(session: NodeSession) {
    this.#session = session
  }

  /** Says that this process saw the end of the upload, without a clear answer. */
  uploadFailed(taskId: number, attempt: number): void {
    this.#failed.set(taskId, attempt)
  }

  /**
   * Adopts, for each of the submissions, the node's task, or tasks of one upload, with exactly its `custom`, its sample, and no other owner. A task that
   * the node does not have is pending again; for a minute its submission is still looked for, as a late copy must be removed.
   * `submissions`: all that are `sending`, oldest first, while nothing is being sent.
   *
   * @throws ServerAwayError, and what is wrong with our database.
   */
  async settle(submissions: readonly Submission[], signal: AbortSignal): Promise<void> {
    const due = submissions.filter(({ id }) => (this.#due.get(id) ?? 0) <= performance.now())
    if (due.length === 0) return
    const began = performance.now()
    try {
      await this.#session.availability.attempt(signal, inner => this.#lookFor(due, inner))
      this.#session.quarantine.succeeded('lists')
    } catch (error: unknown) {
      if (signal.aborted || error instanceof ServerAwayError || !isOfNode(error)) throw error
      await this.#postpone(due, error, performance.now() - began)
    }
  }

  async #lookFor(submissions: readonly Submission[], signal: AbortSignal): Promise<void> {
    const { client, store, node, onContact } = this.#session
    const marks = new MarkIndex({ cuckoo: client, failedToo: true, maxLooks: LOOKS })
    const after = performance.now()
    onContact()
    // The newest first, as attempts for one task may have the same `custom`, and the last one is that which counts.
    for (const submission of submissions.toReversed()) {
      const isFree = async (task: TaskSummary) => {
        return isCopy(task, submission) && !(await store.dispatch.isClaimed(node.id, task.id))
      }
      const mark = { ...markOf(submission), shared: !isOwnMark(submission.custom) }
      const found = await marks.findUpload(mark, { after, signal, accept: isFree })
      const [id, ...others] = found.map(task => task.id)
      if (id === undefined) await this.#missing(submission)
      else await this.#adopt(submission, id, others)
    }
  }

  /** A node whose lists are too long or make no sense is of use all the same. Only time settles what it may have. */
  async #postpone(submissions: readonly Submission[], error: unknown, tookMs: number): Promise<void> {
    const { config, store, node, log, quarantine } = this.#session
    log.warn({ node: node.name, err: error }, 'the lists of a node cannot be read')
    this.#listFailures += 1
    quarantine.failed('lists', this.#listFailures, `lists: ${troubleOf(error)?.reason ?? 'they contradict the status'}`)
    const now = store.now()
    for (const { id, begunOn } of submissions) {
      this.#lookAgain(id, tookMs)
      if (now - begunOn < config.NodeTimeout * 1000) continue
      const reason = `node ${node.name} may have the task, but its lists cannot be read`
      const outcome = { error: reason, at: now, notBefore: now, counted: true, maxRequeues: config.MaxRequeues }
      await store.dispatch.abandoned(id, outcome)
    }
  }

  #lookAgain(id: number, tookMs = 0): void {
    const pauseMs = Math.max(PAUSE_MS, this.#session.config.Interval * 1000, 4 * tookMs)
    this.#due.set(id, performance.now() + pauseMs)
  }

  async #adopt(submission: Submission, id: number, others: number[]): Promise<void> {
    const { store, node, log } = this.#session
    this.#forget(submission)
    await store.dispatch.accepted(submission.id, id, store.now(), others)
    log.info({ task: submission.taskId, node: node.name, nodeTask: id, others }, 'task found on its node again')
  }

  async #missing(submission: Submission): Promise<void> {
    const { config, store, node, log } = this.#session
    const { dispatch } = store
    const now = store.now()
    const outcome = {
      error: `node ${node.name} does not have the task`,
      at: now,
      notBefore: now,
      counted: this.#failed.get(submission.taskId) === submission.attempt,
      maxRequeues: config.MaxRequeues,
    }
    if (!this.#missed.has(submission.id)) {
      log.info({ task: submission.taskId, node: node.name }, 'the node does not have the task')
      await dispatch.abandoned(submission.id, outcome)
    }
    this.#missed.add(submission.id)
    this.#lookAgain(submission.id)
    if (now - submission.begunOn < LATE_MS) return
    this.#forget(submission)
    await dispatch.vanished(submission.id, outcome)
  }

  #forget(submission: Submission): void {
    this.#due.delete(submission.id)
    this.#missed.delete(submission.id)
    if (this.#failed.get(submission.taskId) === submission.attempt) this.#failed.delete(submission.taskId)
  }
}

/** Whether the node's task is this copy; `custom` of a client's own is no proof without the sample. */
export function isCopy(task: TaskSummary, submission: Submission): boolean {
  return isMarked(task, markOf(submission)) && (submission.sha256 !== null || task.sha256 === undefined)
}

export function markOf({ custom, sha256 }: Submission) {
  return { custom, ...(sha256 !== null && { sha256 }) }
}

export function isOfNode(error: unknown): boolean {
  return troubleOf(error) !== undefined || error instanceof DoubtfulListsError
}
