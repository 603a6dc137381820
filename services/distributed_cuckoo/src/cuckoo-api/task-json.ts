/** Our tasks as Cuckoo's own API shows tasks (`cuckoosandbox/cuckoo:utils/api.py`, `tasks_view`). */
import { stamp } from '../server/local-time.js'
import { isOn } from '../store/is-on.js'
import type { Task, TaskState } from '../store/model.js'
import { splitTags } from '../store/requirement.js'

export type CuckooState = 'pending' | 'running' | 'completed' | 'reported' | 'failed_analysis'

const STATES: Readonly<Record<Exclude<TaskState, 'deleted'>, CuckooState>> = {
  pending: 'pending',
  submitting: 'pending',
  processing: 'running',
  fetching: 'completed',
  finished: 'reported',
  failed: 'failed_analysis',
}

/** The states of ours that Cuckoo's API calls by this name; none for one that it does not have here. */
export function statesCalled(name: string): TaskState[] {
  const states: readonly (keyof typeof STATES)[] = [
    'pending',
    'submitting',
    'processing',
    'fetching',
    'finished',
    'failed',
  ]
  return states.filter(state => STATES[state] === name)
}

/**
 * Running when its node says so, and not before: a client that gives up what runs for too long counts from the first time that it sees
 * that (`mitre/multiscanner:modules/Detonation/Cuckoo.py`).
 */
export function cuckooState({ state, nodeState }: Task): CuckooState {
  if (state === 'processing' && nodeState !== 'running') return 'pending'
  return state === 'deleted' ? 'pending' : STATES[state]
}

/** `completed_on` is when the results were stored here: then they can be fetched. The mark that hides an empty `custom` is not shown. */
export function taskJson(task: Task) {
  return {
    id: task.id,
    category: task.category,
    target: task.url ?? task.filename ?? 'sample',
    status: cuckooState(task),
    package: task.package ?? '',
    timeout: task.timeout ?? 0,
    priority: task.priority,
    options: task.options ?? '',
    machine: task.machine ?? '',
    platform: task.platform ?? '',
    tags: splitTags(task.tags),
    custom: task.custom ?? '',
    owner: task.owner ?? '',
    memory: isOn(task.memory),
    enforce_timeout: task.enforceTimeout ?? false,
    clock: clockOf(task),
    added_on: shownTime(task.addedOn),
    started_on: shownTime(task.startedOn),
    completed_on: shownTime(task.completedOn),
    errors: task.state === 'failed' && task.error !== null ? [task.error] : [],
    guest: guestJson(task),
    sample_id: task.sha256 === null ? null : task.id,
    sample: task.sha256 === null ? {} : sampleJson(task),
    duration: task.startedOn === null || task.completedOn === null ? -1 : seconds(task.completedOn - task.startedOn),
    submit_id: null,
    processing: null,
    route: null,
  }
}

/**
 * The run of a task on a machine; which one a node took is known to the node only. CRITs' stock service takes a reported task without
 * one for one that never ran (`crits/crits_services:cuckoo_service/__init__.py`, `run_cuckoo`).
 */
function guestJson(task: Task): object {
  const status = GUEST_STATUS[cuckooState(task)]
  if (status === undefined || task.startedOn === null) return {}
  return {
    id: task.id,
    task_id: task.id,
    status,
    name: task.machine ?? '',
    label: task.machine ?? '',
    manager: task.nodeName ?? '',
    started_on: shownTime(task.runningOn ?? task.startedOn),
    shutdown_on: shownTime(task.completedOn),
  }
}

/** What there is a guest of, in the words of `cuckoosandbox/cuckoo:cuckoo/core/guest.py`. */
const GUEST_STATUS: Partial<Record<CuckooState, string>> = {
  running: 'running',
  completed: 'stopped',
  reported: 'stopped',
  failed_analysis: 'stopped',
}

/** The sample of a task; it goes by the task's id. Digests that are not computed here, and the type, are not known. */
export function sampleJson({ id, md5, sha256, sampleSize }: Task) {
  return {
    id,
    file_size: sampleSize,
    file_type: '',
    md5,
    sha256,
    crc32: null,
    sha1: null,
    sha512: null,
    ssdeep: null,
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 1000)
}

/** The date that a client gave in one of two forms, as Cuckoo shows dates; else when the task was added, as with Cuckoo. */
function clockOf({ clock, addedOn }: Task): string | null {
  if (clock === null) return stamp(addedOn)
  return /^\d+$/.test(clock) ? stamp(Number(clock) * 1000) : clock.replace(/^(\d\d)-(\d\d)-(\d{4})/, '$3-$1-$2')
}

function shownTime(time: number | null): string | null {
  return time === null ? null : stamp(time)
}
