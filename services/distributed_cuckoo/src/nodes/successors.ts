/** The tasks that a node goes on with in place of others: after a restart, or because somebody wanted so by CAPE's API. */
import { performance } from 'node:perf_hooks'
import { MarkIndex, type TaskSummary } from '@cuckoo-distributed/sandbox-client'
import type { Copy, NodeSession } from './session.js'
import { isCopy, markOf } from './unconfirmed.js'

/** At lists that contradict the node's counters, before the node gets on with other work. */
const LOOKS = 3

export class Successors {
  readonly #session: NodeSession
  readonly #marks: MarkIndex

  constructor(session: NodeSession) {
    this.#session = session
    this.#marks = new MarkIndex({ cuckoo: session.client, failedToo: true, maxLooks: LOOKS })
  }

  /**
   * The node's number of the task that goes on in place of `copy`, which was `seen` so; undefined when there surely is none. Only CAPE
   * tells, where its API was used: it shows the new task in place of the old one. Else the new one has the same mark and file.
   *
   * @throws what the questions throw, and DoubtfulListsError.
   */
  async of(copy: Copy, seen: TaskSummary, signal: AbortSignal): Promise<number | undefined> {
    const { node, store } = this.#session
    const isFree = async (task: TaskSummary) => {
      const isLater = task.id > copy.nodeTaskId && task.phase !== 'replaced'
      return isLater && isCopy(task, copy) && !(await store.dispatch.isClaimed(node.id, task.id))
    }
    if (seen.id !== copy.nodeTaskId) return (await isFree(seen)) ? seen.id : undefined
    const found = await this.#marks.find(markOf(copy), { after: performance.now(), signal, accept: isFree })
    return found?.id
  }
}

/** Whether the node goes on with another task, or says so. */
export function isReplaced(copy: Copy, seen: TaskSummary): boolean {
  return seen.phase === 'replaced' || seen.id !== copy.nodeTaskId
}
