/** A task as CAPE shows it (`kevoreilly/CAPEv2:lib/cuckoo/core/data/task.py`, `web/apiv2/views.py`). */
import type { SampleFacts } from '../cuckoo/sample.js'
import type { CuckooTask } from '../cuckoo/task.js'
import type { CapeJson } from './answer.js'

/** What CAPE knows of a task besides what a Cuckoo knows. */
export interface TaskFacts {
  readonly url?: string
  /** The archive that the file came out of. */
  readonly parent?: SampleFacts
  readonly user: string
  readonly tlp: string | null
  readonly tagsTasks: string | null
}

const UNUSED = Object.fromEntries(
  (
    'dropped_files running_processes api_calls domains signatures_total signatures_alert files_written ' +
    'registry_keys_modified crash_issues anti_issues analysis_started_on analysis_finished_on processing_started_on ' +
    'processing_finished_on signatures_started_on signatures_finished_on reporting_started_on reporting_finished_on'
  )
    .split(' ')
    .map(key => [key, null]),
)

/** The row: the whole path on the host in lists, the name alone elsewhere. */
export function taskJson(task: CuckooTask, facts: TaskFacts | undefined, place: 'list' | 'view'): CapeJson {
  const { sample, url } = { sample: task.sample, url: facts?.url }
  const path = place === 'list' ? `/tmp/cuckoo-tmp/upload_${sample.md5.slice(0, 8)}/${task.fileName}` : task.fileName
  return {
    ...UNUSED,
    id: task.id,
    target: url ?? path,
    category: url === undefined ? 'file' : 'url',
    cape: '',
    timeout: Number(task.timeout),
    priority: Number(task.priority),
    custom: task.custom,
    machine: task.machine || (url === undefined ? null : ''),
    package: task.package,
    route: '',
    tags_tasks: facts?.tagsTasks ?? null,
    options: task.options,
    platform: task.platform || 'windows',
    memory: task.memory,
    enforce_timeout: task.enforceTimeout,
    clock: '1970-01-01 00:00:00',
    added_on: stamp(task.addedOn),
    started_on: stamp(task.startedOn),
    completed_on: stamp(task.completedOn),
    status: task.status,
    timedout: false,
    sample_id: url === undefined ? task.sampleId : null,
    machine_id: null,
    tlp: facts?.tlp ?? null,
    user_id: 0,
    tags: task.tags,
    guest: {},
    errors: [...task.errors],
    sample: url === undefined ? sampleJson(sample, task.sampleId) : {},
  }
}

function sampleJson(sample: SampleFacts, id: number): CapeJson {
  const { md5, sha1, sha256, sha512, crc32, size, type } = sample
  const hashes = { md5, crc32, sha1, sha256, sha512, ssdeep: null }
  return { id, file_size: size, file_type: type, ...hashes, source_url: null }
}

function stamp(date: Date | undefined): string | null {
  return date === undefined ? null : date.toISOString().slice(0, 19).replace('T', ' ')
}
