/** Turns submissions into tasks, for both APIs of the server. */
import type { FastifyRequest } from 'fastify'
import { StoreLostError } from '../store/errors.js'
import type { NewTask, Sample, TaskOptions } from '../store/model.js'
import { requirementOf } from '../store/requirement.js'
import type { Store } from '../store/store.js'
import type { ServerContext } from './context.js'
import { inTime } from './deadline.js'
import { ApiError, isOutOfSpace } from './errors.js'
import { badRequest, type Fields, readCount, readInteger, readSwitch } from './fields.js'
import { readSubmission, type Submission, type UploadedFile } from './upload.js'

/** What is missing, by what is accepted. */
const WANTED: Readonly<Record<string, string>> = {
  file: 'Send the sample as a file named `file`',
  url: 'Send the address as a field named `url`',
  'file,url': 'Send the sample as a file named `file`, or an address as a field named `url`',
}

/** Bytes; PostgreSQL takes no more than 2,704 into an index (postgresql.org/docs/current/btree.html). */
const MAX_REQUIREMENT = 2000

/** What is left out or empty is null, but `platform`, which is `defaultPlatform`. @throws ApiError 400 */
export function readTaskOptions(
  fields: Fields,
  { defaultPlatform, emptyNumbers }: Pick<SubmissionRules, 'defaultPlatform' | 'emptyNumbers'>,
): TaskOptions {
  // Checked here, kept as it was written: the documented answer holds the text.
  readSwitch(fields, 'memory')
  const numbers = emptyNumbers === 'absent' ? new Map([...fields].filter(([, value]) => value !== '')) : fields
  const options = {
    package: text(fields, 'package'),
    timeout: readCount(numbers, 'timeout') ?? null,
    priority: readInteger(numbers, 'priority') ?? 1,
    options: text(fields, 'options'),
    machine: text(fields, 'machine'),
    platform: text(fields, 'platform') ?? defaultPlatform,
    tags: text(fields, 'tags'),
    custom: text(fields, 'custom'),
    memory: text(fields, 'memory'),
    clock: readClock(fields),
    enforceTimeout: readSwitch(fields, 'enforce_timeout') ?? null,
    owner: text(fields, 'owner'),
    pinNodeId: null,
  }
  checkRequirement(options)
  return options
}

/** @throws ApiError 400 */
export function checkRequirement(options: Parameters<typeof requirementOf>[0]): void {
  if (Buffer.byteLength(requirementOf(options)) > MAX_REQUIREMENT) {
    throw badRequest('Parameters platform, machine and tags are too long')
  }
}

/** What differs between the two APIs. */
export interface SubmissionRules {
  /** What a task may be made of. */
  readonly accepts: readonly ('file' | 'url')[]
  /** What a client means that names no platform. */
  readonly defaultPlatform: string | null
  /** Whether an empty `timeout` or `priority` is refused, as Distributed Cuckoo does, or left out, as Cuckoo does. */
  readonly emptyNumbers: 'refused' | 'absent'
  /** Whether a client may ask for a sample to be refused that there is a task of already. */
  readonly unique: boolean
}

/**
 * Receives a submission of one task and resolves with its id, once sample and task are on disk.
 *
 * @throws ApiError 400, 413 or 507; nothing is left on disk then.
 */
export async function receiveTask(
  request: FastifyRequest,
  context: ServerContext,
  rules: SubmissionRules,
): Promise<number> {
  const makeTasks = async ({ fields, files: [file] }: Submission) => {
    const pinNodeId = await readPin(context.store, fields)
    const task = { ...toNewTask(fields, file, rules), pinNodeId }
    if (rules.unique && readSwitch(fields, 'unique') === true) await refuseKnown(context.store, task)
    return [task]
  }
  const [id] = await receiveTasks(request, context, { parts: ['file'], maxFiles: 1, makeTasks })
  if (id === undefined) throw new RangeError('a submission made no task')
  return id
}

export interface Receiving {
  /** Names of the parts that are samples. */
  readonly parts: readonly string[]
  readonly maxFiles: number
  /** When it rejects, all files are removed. */
  readonly makeTasks: (submission: Submission) => Promise<readonly NewTask[]>
}

/** Receives a submission and resolves with the ids of its tasks. Throws as `receiveTask` does. */
export async function receiveTasks(
  request: FastifyRequest,
  context: ServerContext,
  { parts, maxFiles, makeTasks }: Receiving,
): Promise<number[]> {
  const { config, files } = context
  const limits = { files, maxUpload: config.MaxUpload, minFreeSpace: config.MinFreeSpace, parts, maxFiles }
  const submission = await readSubmission(request, limits)
  const discard = async (samples: readonly (Sample | null)[]) => {
    for (const sample of samples) if (sample !== null) await files.removeSample(sample)
  }
  const tasks = await makeTasks(submission).catch(async (error: unknown) => {
    await discard(submission.files.map(({ sample }) => sample))
    throw error
  })
  const ids: number[] = []
  let sent = 0
  try {
    for (const { sample } of tasks) if (sample !== null) await files.confirmSample(sample)
    for (const task of tasks) {
      sent += 1
      const id = await inTime(context.store.tasks.create(task, context.store.now()))
      context.spans?.created(id)
      ids.push(id)
    }
    return ids
  } catch (error: unknown) {
    // After any other failure of the database this task may be stored; the janitor removes the sample if it is not.
    const isRefused = isOutOfSpace(error) || (error instanceof StoreLostError && !error.isDoubtful)
    const mayBeStored = isRefused ? ids.length : sent
    await discard(tasks.slice(mayBeStored).map(({ sample }) => sample))
    throw error
  } finally {
    context.wake()
  }
}

function toNewTask(fields: Fields, file: UploadedFile | undefined, rules: SubmissionRules): NewTask {
  const url = rules.accepts.includes('url') ? text(fields, 'url') : null
  const sample = rules.accepts.includes('file') ? file : undefined
  if (sample === undefined && url === null) throw badRequest(WANTED[rules.accepts.join()] ?? '')
  if (file !== undefined && url !== null) throw badRequest('Send either a file or a url')
  return newTask(readTaskOptions(fields, rules), sample ?? url ?? '')
}

/** @throws ApiError 400 for an empty file. */
export function newTask(options: TaskOptions, content: UploadedFile | string): NewTask {
  if (typeof content === 'string') return { ...options, sample: null, filename: null, url: content }
  if (content.sample.size === 0) throw badRequest('The file is empty')
  return { ...options, sample: content.sample, filename: content.filename || null, url: null }
}

/** Cuckoo's own words (`cuckoosandbox/cuckoo:cuckoo/apps/api.py`, `tasks_create_file`). */
async function refuseKnown(store: Store, { sample }: NewTask): Promise<void> {
  if (sample === null) return
  const [known] = await store.tasks.list({ sha256: sample.sha256, limit: 1 })
  if (known !== undefined) throw badRequest('This file has already been submitted')
}

/** The node that the field `node` names, or null. @throws ApiError 404 */
export async function readPin(store: Store, fields: Fields): Promise<number | null> {
  const name = text(fields, 'node')
  if (name === null) return null
  const node = await store.nodes.get(name)
  if (node === undefined || !node.enabled) throw new ApiError(404, 'Node not found, or not enabled')
  return node.id
}

function text(fields: Fields, name: string): string | null {
  return fields.get(name) || null
}

/** `MM-DD-YYYY HH:MM:SS` as nodes want it, or seconds since 1970. */
function readClock(fields: Fields): string | null {
  const clock = fields.get('clock')
  if (clock === undefined || clock === '') return null
  if (/^\d{1,12}$/.test(clock) || isDate(clock)) return clock
  throw badRequest('Parameter clock must be MM-DD-YYYY HH:MM:SS or seconds since 1970')
}

/** A date that there is; nodes refuse the others for good. */
function isDate(clock: string): boolean {
  const [, month, day, year, time] = /^(\d\d)-(\d\d)-(\d{4}) (\d\d:\d\d:\d\d)$/.exec(clock) ?? []
  const iso = `${year}-${month}-${day}T${time}`
  const read = Date.parse(`${iso}Z`)
  // What is no day of its month is read as one of the next.
  return !Number.isNaN(read) && new Date(read).toISOString().startsWith(iso)
}
