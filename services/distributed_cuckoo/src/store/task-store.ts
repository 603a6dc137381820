import { groupCommit } from './group-commit.js'
import type { NewTask, Report, Task, TaskCounts, TaskFilter } from './model.js'
import { countOf, readReasons } from './queue.js'
import { requirementOf } from './requirement.js'
import { newTaskRow, type TaskRow, toReport, UNSENT } from './rows.js'
import type { TaskChanges, TaskStore } from './store.js'
import type { Db, Tx } from './tables.js'
import { countTasks } from './task-counts.js'
import { listTasks } from './task-list.js'
import {
  discardCopies,
  forgetDeleted,
  isUnfinished,
  lastTaskId,
  lockTask,
  markObsolete,
  readTask,
  settleTask,
  updateTask,
} from './task-rows.js'

export class SqlTaskStore implements TaskStore {
  readonly #db: Db
  readonly #insert: (row: NewTaskRow) => Promise<number>

  constructor(db: Db) {
    this.#db = db
    this.#insert = groupCommit(rows => insertAll(db, rows))
  }

  create(task: NewTask, at: number): Promise<number> {
    return this.#insert(newTaskRow(task, at))
  }

  async get(id: number): Promise<Task | undefined> {
    const task = await readTask(this.#db, id)
    return task?.state === 'deleted' ? undefined : task
  }

  list(filter: TaskFilter): Promise<Task[]> {
    return listTasks(this.#db, filter)
  }

  counts(): Promise<TaskCounts> {
    return countTasks(this.#db)
  }

  async oldestPending(): Promise<number | null> {
    // The first by id stands for the first by time, which has no index.
    const oldest = await listTasks(this.#db, { states: ['pending'], limit: 1 })
    return oldest[0]?.addedOn ?? null
  }

  async reports(id: number): Promise<Report[]> {
    return (await this.#db.selectFrom('report').selectAll().where('task_id', '=', id).execute()).map(toReport)
  }

  remove(id: number): Promise<Task | undefined> {
    return this.#db.transaction().execute(async tx => {
      const row = await lockTask(tx, id)
      if (row === undefined || row.state === 'deleted') return undefined
      const task = await readTask(tx, id)
      await removeRow(tx, row)
      return task
    })
  }

  async wasGiven(id: number): Promise<boolean> {
    return id > 0 && id <= (await lastTaskId(this.#db))
  }

  async removeSettled(id: number, { isDry }: { readonly isDry: boolean }): Promise<boolean> {
    const isOver = await this.#withTask(id, async (tx, task) => {
      if (isUnfinished(task)) return false
      const copies = tx.selectFrom('submission').select('id').where('task_id', '=', id)
      if ((await copies.where('state', '!=', 'discarding').limit(1).executeTakeFirst()) !== undefined) return false
      if (!isDry) await removeRow(tx, task)
      return true
    })
    return isOver === true
  }

  change(id: number, changes: TaskChanges): Promise<'changed' | 'not-pending' | 'unknown'> {
    return this.#withTask(id, async (tx, task) => {
      if (task.state !== 'pending') return 'not-pending'
      const wanted = {
        ...task,
        tags: changes.tags === undefined ? task.tags : changes.tags,
        pinNodeId: changes.pinNodeId === undefined ? task.pin_node : changes.pinNodeId,
      }
      const { tags, pinNodeId: pin_node } = wanted
      const priority = changes.priority ?? task.priority
      await updateTask(tx, id, { priority, tags, pin_node, requirement: requirementOf(wanted) })
      return 'changed'
    })
  }

  reschedule(id: number): Promise<'pending' | 'not-failed' | 'sample-gone' | 'untidy' | 'unknown'> {
    return this.#withTask(id, async (tx, task) => {
      if (task.state !== 'failed') return 'not-failed'
      if (task.url === null && task.sample_path === null) return 'sample-gone'
      const leftovers = tx.selectFrom('obsolete_file').select('path').where('kind', '=', 'reports')
      if ((await leftovers.where('path', '=', String(id)).executeTakeFirst()) !== undefined) return 'untidy'
      await updateTask(tx, id, { ...UNSENT, requeues: 0, avoid_node: task.node_id, error: null, not_before: 0 })
      return 'pending'
    })
  }

  async samplesInUse(paths: readonly string[]): Promise<Set<string>> {
    if (paths.length === 0) return new Set()
    const query = this.#db.selectFrom('task').select('sample_path').where('sample_path', 'in', paths)
    return new Set((await query.execute()).flatMap(row => row.sample_path ?? []))
  }

  waitReasons(limit: number): ReturnType<typeof readReasons> {
    return readReasons(this.#db, limit)
  }

  async waitReason(requirement: string): Promise<string | undefined> {
    const row = this.#db.selectFrom('wait_reason').select('reason').where('requirement', '=', requirement)
    return (await row.executeTakeFirst())?.reason
  }

  #withTask<T>(id: number, work: (tx: Tx, task: TaskRow) => Promise<T>): Promise<T | 'unknown'> {
    return this.#db.transaction().execute(async tx => {
      const task = await lockTask(tx, id)
      return task === undefined || task.state === 'deleted' ? 'unknown' : work(tx, task)
    })
  }

  pendingOf(requirements: readonly string[]): Promise<Map<string, number>> {
    return countOf(this.#db, requirements)
  }
}

async function removeRow(tx: Tx, row: TaskRow): Promise<void> {
  await settleTask(tx, row, { state: 'deleted' }, false)
  await discardCopies(tx, row.id)
  await tx.deleteFrom('report').where('task_id', '=', row.id).execute()
  await markObsolete(tx, 'reports', String(row.id))
  await forgetDeleted(tx, { ...row, state: 'deleted' })
}

type NewTaskRow = ReturnType<typeof newTaskRow>

function insertAll(db: Db, rows: readonly NewTaskRow[]): Promise<number[]> {
  return db.transaction().execute(async tx => {
    const ids: number[] = []
    for (const row of rows) {
      const { id } = await tx.insertInto('task').values(row).returning('id').executeTakeFirstOrThrow()
      ids.push(id)
    }
    return ids
  })
}
