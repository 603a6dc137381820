/** Uploading to CAPE, and what each answer says about the task (`kevoreilly/CAPEv2:web/apiv2/views.py`, `tasks_create_file`). */
import { inspect } from 'node:util'
import { multipartUpload, type RequestOptions } from '@cuckoo-distributed/http'
import { failureIn, reasonsIn, refusalOf, taskIdsIn } from './cape-answer.js'
import { type CreatedTasks, type NewTask, type NewUrlTask, outcomeOf, sentOptions, shown } from './create-task.js'
import { EndpointOffError, TaskRefusedError, UnknownOutcomeError } from './errors.js'

/** What to do with a sample whose name CAPE's filter of junk files refuses. */
export type JunkNames = 'rename' | 'fail'

/** Sends one request and reads its answer as JSON. */
export type Send = (request: Omit<RequestOptions, 'method'>) => Promise<unknown>

/** Characters of columns: SQLite takes more, PostgreSQL answers 500 (`kevoreilly/CAPEv2:lib/cuckoo/core/data/task.py`). */
const LIMITS: Readonly<Record<string, number>> = { custom: 255, package: 255, tags_tasks: 256 }
/** CAPE takes such a `custom` for the name of the file (`kevoreilly/CAPEv2:lib/cuckoo/common/utils.py`, `get_filename_from_options`). */
const NAMES_THE_FILE = /(^|,)(filename|file_name|name)=/
const JUNK_EXTENSION = /\.(yar|yara|md|txt|yml|yaml|gitignore|gitattributes|gitmodules)$/i

const HINTS: readonly (readonly [said: RegExp, hint: string])[] = [
  [/exceeds the maximum allowed size/, 'raise max_sample_size in its conf/web.conf'],
  [/Duplicated file/, 'set uniq_submission = no in its conf/web.conf, or leave "unique" out of the options'],
  [/junk filter/, 'set "JunkNames" to "rename", or give the sample another name in CRITs'],
  [/does not exist\. Available|Tags help|Wrong platform/, 'check "machine", "tags" and "platform" of the message'],
]

/** Rejects as `CuckooClient.createTask`, and with EndpointOffError. */
export async function createCapeTask(
  send: Send,
  task: NewTask,
  path: string,
  junkNames: JunkNames,
): Promise<CreatedTasks> {
  const options = checkedOptions(task.options)
  const upload = (sent: Readonly<Record<string, string>>) => {
    const file = { field: 'file', filename: task.name, size: task.size, open: () => task.open() }
    return ask(send, { path, body: multipartUpload({ fields: sent, file }), onBegun: task.onBegun })
  }
  const answer = await upload(options)
  const isJunk = taskIdsIn(answer).length === 0 && reasonsIn(answer).some(({ kind }) => kind === 'junk_filter')
  if (!isJunk || junkNames === 'fail' || /(^|,)filename=/.test(options.options ?? '')) return created(answer, path)
  const name = neutralName(task.name)
  const renamed = [options.options ?? '', `filename=${name}`].filter(part => part !== '').join(',')
  const remark = `CAPE's filter of junk names refuses "${task.name}"; the sample was sent as "${name}"`
  const made = created(await upload({ ...options, options: renamed }), path)
  return { ...made, remarks: [remark, ...made.remarks] }
}

export async function createCapeUrlTask(send: Send, task: NewUrlTask, path: string): Promise<CreatedTasks> {
  const body = Buffer.from(new URLSearchParams({ ...checkedOptions(task.options), url: task.url }).toString())
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return created(await ask(send, { path, headers, body, onBegun: task.onBegun }), path)
}

async function ask(send: Send, request: Omit<RequestOptions, 'method' | 'signal'>): Promise<unknown> {
  try {
    return await send(request as Omit<RequestOptions, 'method'>)
  } catch (error: unknown) {
    throw outcomeOf(error)
  }
}

function created(answer: unknown, path: string): CreatedTasks {
  const [id, ...others] = taskIdsIn(answer)
  const reasons = reasonsIn(answer)
  if (id !== undefined) return { id, others, remarks: reasons.map(({ kind, text }) => `CAPE says: ${kind}: ${text}`) }
  const said = failureIn(answer)
  if (said === undefined) {
    throw new UnknownOutcomeError(`the answer to the upload names neither a task nor a failure: ${shown(answer)}`)
  }
  const refusal = refusalOf(path, path, said)
  if (refusal instanceof EndpointOffError) throw refusal
  const all = [said, ...reasons.map(({ kind, text }) => `${kind}: ${text}`)].join('; ')
  const hint = HINTS.find(([pattern]) => pattern.test(all))?.[1]
  const advice = hint === undefined ? '' : `; ${hint}`
  throw new TaskRefusedError(`CAPE has made no task: ${all.slice(0, 500)}${advice}`, { permanent: true })
}

/** `owner` is not known to CAPE; everything else that it does not know it ignores by itself. */
function checkedOptions(options: Readonly<Record<string, string>>): Record<string, string> {
  const { owner: _, ...sent } = sentOptions(options)
  for (const [name, limit] of Object.entries(LIMITS)) {
    const value = sent[name] ?? ''
    if (value.length <= limit) continue
    throw refused(`the option "${name}" has ${value.length} characters, CAPE takes ${limit}`)
  }
  if (NAMES_THE_FILE.test(sent.custom ?? '')) {
    throw refused(`the option "custom" is ${inspect(sent.custom)}, which CAPE takes for the name of the file`)
  }
  return sent
}

function refused(text: string): TaskRefusedError {
  return new TaskRefusedError(`nothing was sent to CAPE: ${text}`, { permanent: true })
}

/** Keeps what tells the package: the extension. */
function neutralName(name: string): string {
  const extension = /\.[A-Za-z0-9]{1,8}$/.exec(name)?.[0] ?? ''
  return `sample${extension === '' || JUNK_EXTENSION.test(extension) ? '.bin' : extension}`
}
