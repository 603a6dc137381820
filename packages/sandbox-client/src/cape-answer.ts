/** What CAPE answers: nearly everything, failures included, with status 200 (`kevoreilly/CAPEv2:web/apiv2/views.py`). */
import { type CuckooStatus, isCount, isRecord, readTask, record, type TaskSummary, text } from './answers.js'
import { CallRefusedError, EndpointOffError, UnexpectedAnswerError } from './errors.js'

const GiB = 2 ** 30

/** Which section of `conf/api.conf` switches a path (`kevoreilly/CAPEv2:conf/default/api.conf.default`). */
const SECTIONS: readonly (readonly [path: RegExp, section: string])[] = [
  [/^\/cuckoo\/status/, 'cuckoostatus'],
  [/^\/tasks\/create\/file/, 'filecreate'],
  [/^\/tasks\/create\/url/, 'urlcreate'],
  [/^\/tasks\/view/, 'taskview'],
  [/^\/tasks\/list/, 'tasklist'],
  [/^\/tasks\/search/, 'tasksearch'],
  [/^\/tasks\/delete/, 'taskdelete'],
  [/^\/tasks\/get\/report/, 'taskreport'],
  [/^\/tasks\/get\/pcap/, 'taskpcap'],
  [/^\/tasks\/get\/screenshot/, 'taskscreenshot'],
  [/^\/tasks\/get\/payloadfiles/, 'payloadfiles'],
  [/^\/tasks\/get\/procdumpfiles/, 'procdumpfiles'],
  [/^\/tasks\/get\/procmemory/, 'taskprocmemory'],
  [/^\/tasks\/get\/fullmemory/, 'taskfullmemory'],
  [/^\/machines\/list/, 'machinelist'],
]

/**
 * What is wrong according to the body; undefined: nothing. `error` is true for a failure; false, `[]` or absent for a success,
 * by endpoint and version.
 */
export function failureIn(answer: unknown): string | undefined {
  const { error, error_value: said, failed, detail } = record(answer)
  const isFailure =
    error === true || (typeof error === 'string' && error !== '') || (Array.isArray(error) && error.length > 0)
  if (!isFailure) return undefined
  return [said, failed, detail, error].map(text).find(words => words !== undefined && words !== '') ?? 'no reason given'
}

/** There is no such task; also said of those that the user may not see. */
export function isUnknownTask(said: string): boolean {
  return /^Task (does not exist|not found)/i.test(said)
}

export function refusalOf(url: string, path: string, said: string): Error {
  const section = SECTIONS.find(([pattern]) => pattern.test(path))?.[1]
  if (/\bdisabled$/i.test(said) && section !== undefined) return new EndpointOffError(url, said, section)
  return new CallRefusedError(url, said)
}

export function readCapeStatus(answer: unknown, url: string): CuckooStatus {
  const { version, tasks, machines, server } = record(record(answer).data)
  if (!isRecord(tasks)) throw new UnexpectedAnswerError(url, 'data.tasks', 'an object')
  const count = (name: string) => {
    const value = tasks[name] ?? 0
    if (!isCount(value)) throw new UnexpectedAnswerError(url, `data.tasks.${name}`, 'a number')
    return value
  }
  // Whole GiB of `/`; `server` is missing where CAPE has no psutil.
  const { free } = record(record(server).storage)
  const counts = { pending: count('pending'), running: count('running'), completed: count('completed') }
  const [reported, total] = [count('reported'), count('total')]
  return {
    version: text(version) ?? '',
    ...counts,
    reported,
    total,
    tasksKnown: [...Object.values(counts), reported, total, record(machines).total].some(n => Number(n) > 0),
    freeBytes: isCount(free) ? free * GiB : undefined,
    freeUnit: GiB,
  }
}

/** For a CAPE whose status is switched off: only what waits is known. */
export function statusOf(pending: number, version: string): CuckooStatus {
  const counts = { pending, running: 0, completed: 0, reported: 0, total: pending }
  return { version, ...counts, tasksKnown: true, freeBytes: undefined }
}

export function readCapeTask(row: unknown, url: string): TaskSummary {
  return { ...readTask(row, url), addedOn: text(record(row).added_on), mayBeMember: true }
}

/** The rows of a list or a search; one that cannot be read says nothing about the others. */
export function readCapeTasks(answer: unknown, url: string): TaskSummary[] {
  const { data } = record(answer)
  if (!Array.isArray(data)) throw new UnexpectedAnswerError(url, 'data', 'a list')
  return data.flatMap(row => {
    try {
      return [readCapeTask(row, url)]
    } catch {
      return [] // UnexpectedAnswerError: presence is information, absence is not
    }
  })
}

/** The ids of an upload: a list, of which an element may be a list itself. */
export function taskIdsIn(answer: unknown): number[] {
  const { task_ids: ids } = record(record(answer).data)
  return (Array.isArray(ids) ? ids.flat(3) : []).filter(id => Number.isSafeInteger(id) && id > 0)
}

/** What is said of single files: a text, an object around one, or a hint beside a success. */
export function reasonsIn(answer: unknown): { readonly kind: string; readonly text: string }[] {
  const { errors } = record(answer)
  return (Array.isArray(errors) ? errors : []).flatMap(entry =>
    Object.entries(record(entry)).map(([kind, reason]) => ({
      kind,
      text: text(reason) ?? text(record(reason).error) ?? JSON.stringify(reason).slice(0, 300),
    })),
  )
}
