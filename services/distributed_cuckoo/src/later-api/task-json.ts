/** Our tasks as the API of Cuckoo 2.0 shows them, and its words for their states (`cuckoosandbox/cuckoo:cuckoo/distributed/db.py`). */
import type { Task, TaskState } from '../store/model.js'

/** There is no word for a task that has failed; as a finished one its report is 404, and nobody waits for it without end. */
const STATES: Readonly<Record<TaskState, LaterState>> = {
  pending: 'pending',
  submitting: 'assigned',
  processing: 'processing',
  fetching: 'processing',
  finished: 'finished',
  failed: 'finished',
  deleted: 'deleted',
}

type LaterState = 'pending' | 'assigned' | 'processing' | 'finished' | 'deleted'

/** Without those of deleted tasks, which are not shown. */
const LISTED = ['pending', 'submitting', 'processing', 'fetching', 'finished', 'failed'] as const

/** The states of ours that go by this word; undefined when it is none. */
export function statesCalled(word: string): TaskState[] | undefined {
  if (!Object.values(STATES).some(state => state === word)) return undefined
  return LISTED.filter(state => STATES[state] === word)
}

/** The members of 2.0.7, in a list and alone alike, and our own `url` and `error`. `task_id` is the node's id. */
export function taskJson(task: Task) {
  return {
    id: task.id,
    path: task.samplePath,
    filename: task.filename,
    package: task.package,
    timeout: task.timeout,
    priority: task.priority,
    options: task.options,
    machine: task.machine,
    platform: task.platform,
    tags: task.tags,
    custom: task.custom,
    owner: task.owner,
    memory: task.memory,
    clock: task.clock,
    enforce_timeout: task.enforceTimeout === null ? null : String(Number(task.enforceTimeout)),
    node_id: task.nodeId,
    task_id: task.nodeTaskId,
    status: STATES[task.state],
    submitted: date(task.addedOn),
    delegated: date(task.startedOn),
    started: date(task.runningOn),
    completed: date(task.completedOn),
    url: task.url,
    error: task.error,
  }
}

/** As Flask 0.12 writes dates; the original's are local time all the same, and these are UTC. */
function date(time: number | null): string | null {
  return time === null ? null : new Date(time).toUTCString()
}
