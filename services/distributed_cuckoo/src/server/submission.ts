/** Turns a submission into a task, for both APIs of the server. */
import type { FastifyRequest } from 'fastify'
import type { NewTask, TaskOptions } from '../store/model.js'
import { requirementOf } from '../store/requirement.js'
import type { ServerContext } from './context.js'
import { ApiError, isOutOfSpace } from './errors.js'
import { badRequest, type Fields, readCount, readInteger, readSwitch } from './fields.js'
import { readSubmission, type UploadedFile } from './form.js'

/** Bytes; PostgreSQL takes no more than 2,704 into an index (postgresql.org/docs/current/btree.html). */
const MAX_REQUIREMENT = 2000

/** What is left out or empty is null, but `platform`, which is `defaultPlatform`. */
function readTaskOptions(fields: Fields, defaultPlatform: string | null): TaskOptions {
  // Checked here, kept as it was written: the documented answer holds the text.
  readSwitch(fields, 'memory')
  return {
    package: text(fields, 'package'),
    timeout: readCount(fields, 'timeout') ?? null,
    priority: readInteger(fields, 'priority') ?? 1,
    options: text(fields, 'options'),
    machine: text(fields, 'machine'),
    platform: text(fields, 'platform') ?? defaultPlatform,
    tags: text(fields, 'tags'),
    custom: text(fields, 'custom'),
    memory: text(fields, 'memory'),
    clock: readClock(fields),
    enforceTimeout: readSwitch(fields, 'enforce_timeout') ?? null,
    owner: text(fields, 'owner'),
  }
}

/** What a task may be made of, and what a client means that names no platform. */
export interface SubmissionRules {
  readonly accepts: readonly ('file' | 'url')[]
  readonly defaultPlatform: string | null
}

/**
 * Receives a submission and resolves with the id of its task, once sample and task are on disk.
 *
 * @throws ApiError 400, 413 or 507; nothing is left on disk then.
 */
export async function receiveTask(
  request: FastifyRequest,
  { config, store, files, wake }: ServerContext,
  rules: SubmissionRules,
): Promise<number> {
  const limits = { files, maxUpload: config.MaxUpload, minFreeSpace: config.MinFreeSpace }
  const { fields, file } = await readSubmission(request, limits)
  try {
    const id = await store.tasks.create(toNewTask(fields, file, rules), Date.now())
    wake()
    return id
  } catch (error: unknown) {
    // After any other failure of the database the task may be stored; the janitor removes the sample if it is not.
    if (file !== undefined && (error instanceof ApiError || isOutOfSpace(error))) await files.removeSample(file.sample)
    throw error
  }
}

function toNewTask(fields: Fields, file: UploadedFile | undefined, rules: SubmissionRules): NewTask {
  const url = rules.accepts.includes('url') ? text(fields, 'url') : null
  if ((file === undefined) === (url === null) || !rules.accepts.includes(url === null ? 'file' : 'url')) {
    throw badRequest()
  }
  if (file?.sample.size === 0) throw new ApiError(400, 'The file is empty')
  const options = readTaskOptions(fields, rules.defaultPlatform)
  if (Buffer.byteLength(requirementOf(options)) > MAX_REQUIREMENT) {
    throw new ApiError(400, 'Parameters platform, machine and tags are too long')
  }
  return { ...options, sample: file?.sample ?? null, filename: file?.filename || null, url }
}

function text(fields: Fields, name: string): string | null {
  return fields.get(name) || null
}

/** `MM-DD-YYYY HH:MM:SS` as nodes want it, or seconds since 1970. */
function readClock(fields: Fields): string | null {
  const clock = fields.get('clock')
  if (clock === undefined || clock === '') return null
  if (/^\d{1,12}$/.test(clock) || /^\d\d-\d\d-\d{4} \d\d:\d\d:\d\d$/.test(clock)) return clock
  throw new ApiError(400, 'Parameter clock must be MM-DD-YYYY HH:MM:SS or seconds since 1970')
}
