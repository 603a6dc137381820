/** Whether a task may still go where a plan has it go. */
import type { TaskRow } from './rows.js'
import type { Planned } from './store.js'
import type { Tx } from './tables.js'

/** A client may have changed the task since it was planned. */
export function isAsPlanned(task: TaskRow, planned: Planned | undefined): boolean {
  return planned === undefined || (task.requirement === planned.requirement && task.priority === planned.priority)
}

/** Since it was planned. */
export async function isDisabled(tx: Tx, nodeId: number): Promise<boolean> {
  const node = await tx.selectFrom('node').select('enabled').where('id', '=', nodeId).executeTakeFirst()
  return node?.enabled === 0
}
