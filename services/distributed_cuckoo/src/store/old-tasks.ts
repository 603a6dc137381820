/** Finished and failed tasks in the order of their age, for those who remove them. */
import { expressionBuilder, sql } from 'kysely'
import type { Db, Tables } from './tables.js'

export interface OldTask {
  readonly id: number
  readonly completedOn: number
  /** Of its reports. */
  readonly bytes: number
}

export class OldTasks {
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  /** Tasks of this state that were completed before then, oldest first, behind `after` when that is given. */
  async list(
    state: 'finished' | 'failed',
    { before, limit, after }: { readonly before: number; readonly limit: number; readonly after?: OldTask | undefined },
  ): Promise<OldTask[]> {
    const { or, and, eb } = expressionBuilder<Tables, 'task'>()
    let query = this.#db
      .selectFrom('task')
      .select(['id', 'completed_on'])
      .select(({ selectFrom }) => {
        return selectFrom('report')
          .select(totalBytes.as('bytes'))
          .whereRef('report.task_id', '=', 'task.id')
          .as('bytes')
      })
      .where('state', '=', state)
      .where('completed_on', '<', before)
      .orderBy('completed_on')
      .orderBy('id')
      .limit(limit)
    if (after !== undefined) {
      const { completedOn, id } = after
      query = query.where(
        or([eb('completed_on', '>', completedOn), and([eb('completed_on', '=', completedOn), eb('id', '>', id)])]),
      )
    }
    const rows = await query.execute()
    return rows.map(({ id, completed_on, bytes }) => ({ id, completedOn: completed_on ?? 0, bytes: Number(bytes) }))
  }

  /** Of all reports that are here. Reads a row for each. */
  async reportBytes(): Promise<number> {
    const { bytes } = await this.#db.selectFrom('report').select(totalBytes.as('bytes')).executeTakeFirstOrThrow()
    return Number(bytes)
  }
}

const totalBytes = sql<number | string>`coalesce(sum(size), 0)`
