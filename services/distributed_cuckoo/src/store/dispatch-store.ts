import { beginFetch, canAmend, finish, isFetching } from './fetching.js'
import type { NodeTaskState, Report, Submission, Task } from './model.js'
import { fail, requeue } from './requeueing.js'
import { stateColumns, type TaskRow, toSubmission, toTask } from './rows.js'
import { addSiblings, passOn } from './siblings.js'
import type { DispatchStore, Fetch, Planned, Requeue } from './store.js'
import type { Db, Tx } from './tables.js'
import {
  forgetDeleted,
  isUnfinished,
  lockTask,
  readSubmission,
  selectTasks,
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

  async pendingRequirements(): Promise<string[]> {
    const found: string[] = []
    for (;;) {
      // A jump in the index for each requirement; `distinct` would read all pending tasks.
      let query = this.#db.selectFrom('task').select('requirement').where('state', '=', 'pending')
      const last = found.at(-1)
      if (last !== undefined) query = query.where('requirement', '>', last)
      const next = await query.orderBy('requirement').limit(1).executeTakeFirst()
      if (next === undefined) return found
      found.push(next.requirement)
    }
  }

  async nextPending(requirement: string, now: number, limit: number): Promise<Task[]> {
    const rows = await selectTasks(this.#db)
      .where('task.state', '=', 'pending')
      .where('task.requirement', '=', requirement)
      .where('task.not_before', '<=', now)
      .orderBy('task.priority', 'desc')
      .orderBy('task.id')
      .limit(limit)
      .execute()
    return rows.map(toTask)
  }

  begin(taskId: number, nodeId: number, at: number, planned?: Planned): Promise<Submission | undefined> {
    return this.#transact(async tx => {
      const task = await lockTask(tx, taskId)
      if (task?.state !== 'pending' || !isAsPlanned(task, planned)) return undefined
      if (await isDisabled(tx, nodeId)) return undefined
      const attempt = task.attempt + 1
      const insert = tx.insertInto('submission').values({
        task_id: taskId,
        attempt,
        node_id: nodeId,
        node_task_id: null,
        state: 'sending',
        custom: task.custom || `dist:${taskId}:${attempt}`,
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

  async seen(submissionId: number, state: NodeTaskState): Promise<void> {
    await this.#inTurn(submissionId, async (tx, submission, task) => {
      if (task.state !== 'processing' || task.submission_id !== submission.id) return
      await updateTask(tx, task.id, { node_state: state })
    })
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

  beginFetch(submissionId: number): Promise<Fetch | undefined> {
    return this.#inTurn(submissionId, beginFetch)
  }

  async fetchFailed(submissionId: number, error: string): Promise<void> {
    await this.#inTurn(submissionId, async (tx, submission, task) => {
      if (!isFetching(task, submission)) return
      await updateTask(tx, task.id, { ...stateColumns('processing'), error })
    })
  }

  async finish(submissionId: number, reports: readonly Report[], at: number): Promise<boolean> {
    const finished = await this.#inTurn(submissionId, async (tx, submission, task) => {
      if (!isFetching(task, submission)) return false
      await finish(tx, task, submission, reports, { at, keepSample: this.#keepSamples })
      return true
    })
    return finished ?? false
  }

  async amend(submissionId: number, reports: readonly Report[], at: number): Promise<boolean> {
    const amended = await this.#inTurn(submissionId, async (tx, submission, task) => {
      if (!canAmend(task, submission, reports)) return false
      await finish(tx, task, submission, reports, { at, keepSample: this.#keepSamples })
      return true
    })
    return amended ?? false
  }

  fail(taskId: number, error: string, at: number): Promise<boolean> {
    return this.#transact(async tx => {
      const task = await lockTask(tx, taskId)
      if (task === undefined || !isUnfinished(task)) return false
      await fail(tx, task, { error, at, keepSample: this.#keepSamples })
      return true
    })
  }

  async failedOnNode(submissionId: number, error: string, at: number): Promise<boolean> {
    const failed = await this.#inTurn(submissionId, async (tx, submission, task) => {
      await updateSubmission(tx, submission.id, { state: 'discarding' })
      if (!isUnfinished(task) || task.submission_id !== submission.id) return false
      if (await passOn(tx, submission, task, error)) return false
      await fail(tx, task, { error, at, keepSample: this.#keepSamples })
      return true
    })
    return failed ?? false
  }

  async isWanted(submissionId: number): Promise<boolean> {
    return (await readSubmission(this.#db, submissionId))?.state === 'accepted'
  }

  async discarded(submissionId: number): Promise<void> {
    await this.#inTurn(submissionId, async (tx, submission, task) => {
      await tx.deleteFrom('submission').where('id', '=', submission.id).execute()
      await forgetDeleted(tx, task)
    })
  }

  async submissions(nodeId: number): Promise<Submission[]> {
    const query = this.#db.selectFrom('submission').selectAll().where('node_id', '=', nodeId).orderBy('id')
    return (await query.execute()).map(toSubmission)
  }

  async submissionsOf(taskId: number): Promise<Submission[]> {
    const query = this.#db.selectFrom('submission').selectAll().where('task_id', '=', taskId).orderBy('id')
    return (await query.execute()).map(toSubmission)
  }

  async isClaimed(nodeId: number, nodeTaskId: number): Promise<boolean> {
    const query = this.#db
      .selectFrom('submission')
      .select('id')
      .where('node_id', '=', nodeId)
      .where('node_task_id', '=', nodeTaskId)
    return (await query.limit(1).executeTakeFirst()) !== undefined
  }

  async recover(): Promise<void> {
    await this.#transact(async tx => {
      await tx.updateTable('task').set(stateColumns('processing')).where('state', '=', 'fetching').execute()
    })
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
    return this.#transact(async tx => {
      const unlocked = await readSubmission(tx, submissionId)
      const task = unlocked && (await lockTask(tx, unlocked.taskId))
      const submission = task && (await readSubmission(tx, submissionId))
      return task && submission && work(tx, submission, task)
    })
  }
}

/** A client may have changed the task since it was planned. */
function isAsPlanned(task: TaskRow, planned: Planned | undefined): boolean {
  return planned === undefined || (task.requirement === planned.requirement && task.priority === planned.priority)
}

/** Since it was planned. */
async function isDisabled(tx: Tx, nodeId: number): Promise<boolean> {
  const node = await tx.selectFrom('node').select('enabled').where('id', '=', nodeId).executeTakeFirst()
  return node?.enabled === 0
}
