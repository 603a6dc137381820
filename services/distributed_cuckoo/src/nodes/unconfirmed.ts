/** Submissions of which nobody knows whether the node has them: after a crash, or after an upload without a clear answer. */
import { performance } from 'node:perf_hooks'
import type { ListedPhase, TaskSummary } from '@cuckoo-distributed/sandbox-client'
import type { Submission } from '../store/model.js'
import type { NodeSession } from './session.js'
import { troubleOf } from './trouble.js'

/** In the order in which a task passes through them, so that one which moves on between two lists is met in the later one. */
const PHASES: readonly ListedPhase[] = ['pending', 'running', 'processing', 'reported', 'failed']
/** Of reported tasks only those are listed which ended after the submission, by a node's clock that may be off by this. */
const CLOCK_SLACK_MS = 2 * 24 * 3600 * 1000
/** A node with several threads may still be storing an upload that nobody waits for; for so long its copy is looked for. */
const LATE_MS = 60_000
/** Between two looks, at least. */
const PAUSE_MS = 2000

export class Unconfirmed {
  readonly #session: NodeSession
  /** Tasks whose last upload failed under this process; that may be the task's own fault, so it counts. By id, with the attempt. */
  readonly #failed = new Map<number, number>()
  /** When to look again, by `performance.now`. */
  readonly #due = new Map<number, number>()
  /** Submissions that the node did not have at the last look. */
  readonly #missed = new Set<number>()

  constructor(session: NodeSession) {
    this.#session = session
  }

  /** Says that this process saw the end of the upload, without a clear answer. */
  uploadFailed(taskId: number, attempt: number): void {
    this.#failed.set(taskId, attempt)
  }

  /**
   * Adopts, for each of the submissions, the node's task with exactly its `custom`, its sample, and no other owner. A task that
   * the node does not have is pending again; for a minute its submission is still looked for, as a late copy must be removed.
   * `submissions`: all that are `sending`, oldest first, while nothing is being sent.
   */
  async settle(submissions: readonly Submission[], signal: AbortSignal): Promise<void> {
    const due = submissions.filter(({ id }) => (this.#due.get(id) ?? 0) <= performance.now())
    if (due.length === 0) return
    const began = performance.now()
    try {
      await this.#lookFor(due, signal)
    } catch (error: unknown) {
      if (signal.aborted || troubleOf(error) === undefined) throw error
      await this.#postpone(due, error, performance.now() - began)
    }
  }

  async #lookFor(submissions: readonly Submission[], signal: AbortSignal): Promise<void> {
    // The newest first, as attempts for one task may have the same `custom`, and the last one is that which counts.
    let open = submissions.toReversed()
    for (const phase of PHASES) {
      if (open.length === 0) return
      open = await this.#adoptAmong(await this.#list(phase, open, signal), open)
    }
    for (const submission of open) await this.#missing(submission)
  }

  /** A node whose lists are too long or make no sense is of use all the same. Only time settles what it may have. */
  async #postpone(submissions: readonly Submission[], error: unknown, tookMs: number): Promise<void> {
    const { config, store, node, log } = this.#session
    log.warn({ node: node.name, err: error }, 'the lists of a node cannot be read')
    const now = Date.now()
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

  #list(phase: ListedPhase, submissions: readonly Submission[], signal: AbortSignal): Promise<TaskSummary[]> {
    if (phase !== 'reported') return this.#session.client.listTasks({ phase }, signal)
    const oldest = Math.min(...submissions.map(({ begunOn }) => begunOn))
    const completedAfter = Math.max(0, (oldest - CLOCK_SLACK_MS) / 1000)
    return this.#session.client.listTasks({ phase, completedAfter }, signal)
  }

  /** Resolves with the submissions that are not among those listed. */
  async #adoptAmong(listed: readonly TaskSummary[], submissions: readonly Submission[]): Promise<Submission[]> {
    const missing: Submission[] = []
    for (const submission of submissions) {
      const found = await this.#match(submission, listed)
      if (found === undefined) missing.push(submission)
      else await this.#adopt(submission, found)
    }
    return missing
  }

  async #match(submission: Submission, listed: readonly TaskSummary[]): Promise<TaskSummary | undefined> {
    const { store, node } = this.#session
    for (const task of listed) {
      if (isCopy(task, submission) && !(await store.dispatch.isClaimed(node.id, task.id))) return task
    }
    return undefined
  }

  async #adopt(submission: Submission, { id }: TaskSummary): Promise<void> {
    const { store, node, log } = this.#session
    this.#forget(submission)
    await store.dispatch.accepted(submission.id, id, Date.now())
    log.info({ task: submission.taskId, node: node.name, nodeTask: id }, 'task found on its node again')
  }

  async #missing(submission: Submission): Promise<void> {
    const { config, store, node, log } = this.#session
    const { dispatch } = store
    const now = Date.now()
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

/** Names of files are no proof, as Cuckoo rewrites them; `custom` is, and for a client's own text the sample as well. */
export function isCopy(task: TaskSummary, { custom, sha256 }: Submission): boolean {
  return task.custom === custom && task.sha256 === (sha256 ?? undefined)
}
