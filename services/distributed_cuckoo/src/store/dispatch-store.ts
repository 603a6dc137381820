import { beginFetch, canAmend, endFetches, finish, isAwaited, isProcessing } from './fetching.js'
import type { Report, Requirements, Submission, Task } from './model.js'
import { isAsPlanned, isDisabled } from './planned.js'
import { delayedUntil, firstOf, release, requirementsAfter, writeReasons } from './queue.js'
import { type Missing, recount } from './recount.js'
import { fail, requeue } from './requeueing.js'
import { ownMark, stateColumns, type TaskRow, toSubmission } from './rows.js'
import { addSiblings, follow, passOn } from './siblings.js'
import type { DispatchStore, Fetch, Planned, Requeue } from './store.js'
import type { Db, Tx } from './tables.js'
import { foldChanges } from './task-counts.js'
import {
  forgetDeleted,
  isUnfinished,
  lockTask,
  readSubmission,
  readSubmissions,
  updateSubmission,
  updateTask,
} from './task-rows.js'

/** Rejects when the process must not change anything any more; what passes it ends before another one may. */
export type Fence = (tx: Tx) => Promise<void>

export class SqlDispatchStore implements DispatchStore {
  readonly #db: Db
  readonly #keepSamples: boolean
  readonly #fence: Fence

  /** `fence` may refuse any transaction. */
  constructor(db: Db, keepSamples: boolean, fence: Fence = async () => {}) {
    this.#db = db
    this.#keepSamples = keepSamples
    this.#fence = fence
  }

  pendingRequirements(after: string, limit: number): Promise<string[]> {
    return requirementsAfter(this.#db, after, limit)
  }

  nextPending(requirements: readonly string[], limit: number): Promise<Task[]> {
    return firstOf(this.#db, requirements, limit)
  }

  async release(now: number): Promise<void> {
    const due = await delayedUntil(this.#db, now)
    if (due.length > 0) await this.#transact(tx => release(tx, due))
  }

  begin(taskId: number, nodeId: number, at: number, planned?: Planned): Promise<Submission | undefined> {
    return this.#transact(async tx => {
      const task = await lockTask(tx, taskId)
      if (task?.state !== 'pending' || !isAsPlanned(task, planned) || (await isDisabled(tx, nodeId))) return undefined
      const attempt = task.attempt + 1
      const insert = tx.insertInto('submission').values({
        task_id: taskId,
        attempt,
        node_id: nodeId,
        node_task_id: null,
        state: 'sending',
        custom: task.custom || ownMark(taskId, attempt),
        sha256: task.sha256,
        begun_on: at,
      })
      const submission = toSubmission(await insert.returningAll().executeTakeFirstOrThrow())
      await updateTask(tx, taskId, {
        ...stateColumns('submitting'),
        attempt,
        submission_id: submission.id,
        node_id: nodeId,
        node_task_id: null,
        node_state: null,
        started_on: null,
        running_on: null,
      })
      return submission
    })
  }

  accepted(id: number, nodeTaskId: number, at: number, others: number[] = []): Promise<Submission | undefined> {
    return this.#inTurn(id, async (tx, submission, task) => {
      if (submission.state !== 'sending') return submission
      const state = isUnfinished(task) || task.state === 'failed' ? 'accepted' : 'discarding'
      await updateSubmission(tx, submission.id, { state, node_task_id: nodeTaskId })
      await addSiblings(tx, { ...submission, state }, task, others)
      if (task.state === 'submitting' && task.submission_id === submission.id) {
        await updateTask(tx, task.id, {
          ...stateColumns('processing'),
          node_task_id: nodeTaskId,
          started_on: at,
          error: null,
        })
      }
      return { ...submission, state, nodeTaskId }
    })
  }

  async followed(submissionId: number, nodeTaskId: number): Promise<void> {
    await this.#inTurn(submissionId, (tx, submission, task) => follow(tx, submission, task, nodeTaskId))
  }

  async vanished(submissionId: number, outcome: Requeue): Promise<void> {
    await this.#inTurn(submissionId, async (tx, submission, task) => {
      await tx.deleteFrom('submission').where('id', '=', submission.id).execute()
      const isPassedOn = await passOn(tx, submission, task, outcome.error)
      if (!isPassedOn) await requeue(tx, submission, task, { ...outcome, keepSample: this.#keepSamples })
      await forgetDeleted(tx, task)
    })
  }

  async abandoned(submissionId: number, outcome: Requeue): Promise<void> {
    await this.#inTurn(submissionId, (tx, submission, task) => {
      return requeue(tx, submission, task, { ...outcome, keepSample: this.#keepSamples })
    })
  }

  async beginFetch(submissionId: number): Promise<Fetch | undefined> {
    // Most often nothing is to be written: what is stored at the end is conditional.
    const isCurrent = await isProcessing(this.#db, submissionId)
    return isCurrent ? { late: false, settled: [] } : this.#inTurn(submissionId, beginFetch)
  }

  async fetching(submissionId: number): Promise<void> {
    await this.#inTurn(submissionId, async (tx, submission, task) => {
      if (isAwaited(task, submission)) await updateTask(tx, task.id, stateColumns('fetching'))
    })
  }

  async fetchFailed(submissionId: number, error: string): Promise<void> {
    await this.#inTurn(submissionId, async (tx, submission, task) => {
      if (!isAwaited(task, submission)) return
      await updateTask(tx, task.id, { ...stateColumns('processing'), error })
    })
  }

  finish(submissionId: number, reports: readonly Report[], at: number, runningOn?: number) {
    return this.#keep(submissionId, reports, { at, runningOn }, isAwaited)
  }

  amend(submissionId: number, reports: readonly Report[], at: number, runningOn?: number) {
    return this.#keep(submissionId, reports, { at, runningOn }, (task, copy) => canAmend(task, copy, reports))
  }

  fail(taskId: number, error: string, at: number): Promise<boolean> {
    return this.#transact(async tx => {
      const task = await lockTask(tx, taskId)
      if (task === undefined || !isUnfinished(task)) return false
      await fail(tx, task, { error, at, keepSample: this.#keepSamples })
      return true
    })
  }

  async failedOnNode(submissionId: number, error: string, at: number, runningOn?: number): Promise<boolean> {
    const failed = await this.#inTurn(submissionId, async (tx, submission, task) => {
      await updateSubmission(tx, submission.id, { state: 'discarding' })
      const isCurrent = isUnfinished(task) && task.submission_id === submission.id
      const isOver = isCurrent && !(await passOn(tx, submission, task, error))
      if (isOver) await fail(tx, task, { error, at, runningOn, keepSample: this.#keepSamples })
      return isOver
    })
    return failed ?? false
  }

  async isWanted(submissionId: number): Promise<boolean> {
    return (await readSubmission(this.#db, submissionId))?.state === 'accepted'
  }

  async discarded(submissionIds: readonly number[]): Promise<void> {
    if (submissionIds.length === 0) return
    await this.#transact(async tx => {
      for (const id of submissionIds)
        await this.#lockBoth(tx, id, async (submission, task) => {
          await tx.deleteFrom('submission').where('id', '=', submission.id).execute()
          await forgetDeleted(tx, task)
        })
    })
  }

  setWaitReasons(reasons: ReadonlyMap<string, string>, range: Requirements): Promise<void> {
    return this.#transact(tx => writeReasons(tx, reasons, range))
  }

  submissions(nodeId: number): Promise<Submission[]> {
    return readSubmissions(this.#db, 'node_id', nodeId)
  }

  submissionsOf(taskId: number): Promise<Submission[]> {
    return readSubmissions(this.#db, 'task_id', taskId)
  }

  async isClaimed(nodeId: number, nodeTaskId: number): Promise<boolean> {
    return (await readSubmissions(this.#db, 'node_id', nodeId, nodeTaskId)).length > 0
  }

  async foldCounts(): Promise<void> {
    while (await this.#transact(foldChanges));
  }

  recount(signal: AbortSignal): Promise<Missing> {
    return recount(work => this.#transact(work), signal)
  }

  recover(): Promise<void> {
    return this.#transact(endFetches)
  }

  async #keep(
    submissionId: number,
    reports: readonly Report[],
    when: Omit<Parameters<typeof finish>[4], 'keepSample'>,
    isWelcome: (task: TaskRow, copy: Submission) => boolean,
  ): Promise<boolean> {
    const kept = await this.#inTurn(submissionId, async (tx, submission, task) => {
      if (!isWelcome(task, submission)) return false
      await finish(tx, task, submission, reports, { ...when, keepSample: this.#keepSamples })
      return true
    })
    return kept ?? false
  }

  #transact<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#db.transaction().execute(async tx => {
      await this.#fence(tx)
      return work(tx)
    })
  }

  /** Runs `work` with the submission and its task as they are under the task's lock; undefined when it is forgotten. */
  #inTurn<T>(
    submissionId: number,
    work: (tx: Tx, submission: Submission, task: TaskRow) => Promise<T>,
  ): Promise<T | undefined> {
    return this.#transact(tx => this.#lockBoth(tx, submissionId, (submission, task) => work(tx, submission, task)))
  }

  async #lockBoth<T>(
    tx: Tx,
    submissionId: number,
    work: (submission: Submission, task: TaskRow) => Promise<T>,
  ): Promise<T | undefined> {
    const unlocked = await readSubmission(tx, submissionId)
    const task = unlocked && (await lockTask(tx, unlocked.taskId))
    const submission = task && (await readSubmission(tx, submissionId))
    return task && submission && work(submission, task)
  }
}
