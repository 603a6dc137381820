/** Handing a task to a node. */
import { createReadStream } from 'node:fs'
import { describeError } from '@cuckoo-distributed/core'
import { HttpError, UploadSizeError } from '@cuckoo-distributed/http'
import { type CreatedTasks, TaskRefusedError } from '@cuckoo-distributed/sandbox-client'
import { linkedController } from '@cuckoo-distributed/wait'
import { isOn } from '../store/is-on.js'
import type { Submission, Task } from '../store/model.js'
import type { NodeSession } from './session.js'
import { isDoubtful, StalledUploadError, troubleOf } from './trouble.js'

/** A wait after a refusal is this many times the one before. */
const REFUSAL_FACTOR = 4
/** Of what a node says about a refusal. */
const MAX_REASON = 1000

export interface Order {
  readonly task: Task
  /** The machine to name to the node in place of platform and tags; null = the node is to choose. */
  chooseMachine(): string | null
}

/**
 * Sends a pending task to the node and resolves with its submission, if the node took it. Does nothing when it is not pending any more. The intent is on disk before the first byte is
 * sent, and the task is processing only when the node's id is. A task whose sample is gone fails.
 *
 * @throws what is wrong with the node, whereafter the task is pending again; an error that `isDoubtful`, or the signal's reason,
 * leaves the submission `sending`, as the node may have the task; DirectoryAwayError when nobody can tell whether the sample is there.
 */
export async function send(session: NodeSession, order: Order, signal: AbortSignal): Promise<Submission | undefined> {
  const { task } = order
  const { node, store, log } = session
  if (!(await hasSample(session, task))) {
    await store.dispatch.fail(task.id, 'the sample is gone', store.now())
    return undefined
  }
  const submission = await store.dispatch.begin(task.id, node.id, store.now(), task)
  if (submission === undefined) return undefined
  let created: CreatedTasks
  try {
    created = await create(session, order, submission, signal)
  } catch (error: unknown) {
    if (isDoubtful(error) || signal.aborted) throw error
    await notSent(session, task, submission, error)
    return undefined
  }
  const { id, others, remarks } = created
  log.debug({ task: task.id, node: node.name, nodeTask: id, others }, 'task handed to a node')
  if (remarks.length > 0) log.info({ task: task.id, node: node.name, remarks }, 'a node has remarks about a task')
  return store.dispatch.accepted(submission.id, id, store.now(), others)
}

async function create(
  session: NodeSession,
  { task, chooseMachine }: Order,
  submission: Submission,
  signal: AbortSignal,
): Promise<CreatedTasks> {
  const { client, files, patience, leadership } = session
  const options = nodeOptions(task, submission.custom, chooseMachine())
  leadership.look()
  if (task.url !== null) return client.createUrlTask({ url: task.url, options }, signal)
  const path = files.samplePath(task.samplePath ?? '')
  using linked = linkedController(signal)
  const { controller } = linked
  const stalled = () => controller.abort(new StalledUploadError('the node has stopped reading the upload'))
  const open = () => watched(createReadStream(path), patience.uploadMs, stalled)
  const file = { name: task.filename ?? 'sample', size: task.sampleSize ?? 0, open }
  return await client.createTask({ ...file, options }, controller.signal)
}

/** The chunks as they are; calls `stalled` when one is not taken for `ms` milliseconds. */
async function* watched(
  chunks: AsyncIterable<Uint8Array>,
  ms: number,
  stalled: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let timer: NodeJS.Timeout | undefined
  try {
    for await (const chunk of chunks) {
      timer = setTimeout(stalled, ms)
      yield chunk
      clearTimeout(timer)
    }
  } finally {
    clearTimeout(timer)
  }
}

/** The node surely has no copy. */
async function notSent(session: NodeSession, task: Task, submission: Submission, error: unknown): Promise<void> {
  const { config, node, store, files, log } = session
  const now = store.now()
  const outcome = { at: now, notBefore: now, counted: false, maxRequeues: config.MaxRequeues }
  if (error instanceof TaskRefusedError && troubleOf(error)?.state !== 'unauthorized') {
    const notBefore = now + config.Interval * 1000 * REFUSAL_FACTOR ** task.requeues
    const reason = `node ${node.name} refused the task: ${describeError(error)}`.slice(0, MAX_REASON)
    log.warn({ task: task.id, node: node.name, err: error }, 'a node refused a task')
    await store.dispatch.vanished(submission.id, { ...outcome, notBefore, counted: true, error: reason })
    return
  }
  if (error instanceof UploadSizeError) {
    await files.samples.check()
    await store.dispatch.fail(task.id, `the sample has changed: ${error.message}`, now)
  }
  const isNodes = error instanceof HttpError || error instanceof TaskRefusedError
  const reason = isNodes
    ? `node ${node.name}: ${troubleOf(error)?.reason ?? 'failed'}`
    : 'the sample cannot be read now'
  await store.dispatch.vanished(submission.id, { ...outcome, error: reason })
  if (!(error instanceof UploadSizeError)) throw error
}

async function hasSample({ files }: NodeSession, task: Task): Promise<boolean> {
  if (task.url !== null) return true
  return task.samplePath !== null && files.hasSample(task.samplePath)
}

/** The form as every generation of Cuckoo understands it: what is unset or false is left out, what is true is `1`. */
function nodeOptions(task: Task, custom: string, chosen: string | null): Record<string, string> {
  const { package: analysisPackage, timeout, priority, options, memory, clock, owner } = task
  const { machine, platform, tags } = chosen === null ? task : { machine: chosen, platform: null, tags: null }
  const fields = {
    package: analysisPackage,
    timeout: timeout && String(timeout),
    priority: String(priority),
    options,
    machine,
    platform,
    tags,
    custom,
    owner,
    memory: isOn(memory) ? '1' : null,
    enforce_timeout: task.enforceTimeout ? '1' : null,
    clock: clock && nodeClock(clock),
  }
  return Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (value ? [[name, value]] : [])))
}

/** `MM-DD-YYYY HH:MM:SS`, also from seconds since 1970 (`cuckoosandbox/cuckoo:utils/api.py`). */
function nodeClock(clock: string): string {
  if (!/^\d{1,11}$/.test(clock)) return clock
  const iso = new Date(Number(clock) * 1000).toISOString()
  return `${iso.slice(5, 10)}-${iso.slice(0, 4)} ${iso.slice(11, 19)}`
}
