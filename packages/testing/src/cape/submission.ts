/** `POST /tasks/create/file/` and `/tasks/create/url/` (`kevoreilly/CAPEv2:web/apiv2/views.py`). */

import { type SampleFacts, sampleFacts } from '../cuckoo/sample.js'
import type { Sandbox } from '../cuckoo/sandbox.js'
import { ANONYMOUS, type CuckooTask } from '../cuckoo/task.js'
import { type CapeAnswer, type CapeJson, failure, json, page } from './answer.js'
import type { Form, FormFile } from './form.js'
import { isJunk, looksLikeName, storedName } from './naming.js'
import type { CapeOptions, CapeUser } from './options.js'
import type { TaskFacts } from './task-json.js'
import { membersOf } from './zip.js'

export interface SubmissionContext {
  readonly options: CapeOptions
  readonly sandbox: Sandbox
  readonly user: CapeUser
  /** What is known of each task besides what a Cuckoo knows. */
  readonly facts: WeakMap<CuckooTask, TaskFacts>
  complain(rule: string, detail: string): void
}

const KNOWN = new Set(
  (
    'package timeout priority options machine platform tags tags_tasks custom memory clock enforce_timeout unique ' +
    'referrer tlp static route cape lin_options pcap visibility url'
  ).split(' '),
)
const LIMITS: Readonly<Record<string, number>> = { custom: 255, package: 255, tags_tasks: 256 }
const SIZE = 30_000_000

export function createFile(form: Form, context: SubmissionContext): CapeAnswer {
  const { fields, files } = form
  const { options } = context
  checkFields(fields, context)
  if (files.length === 0) return failure('No file was submitted')
  const refused = machineProblem(fields.get('machine') ?? '', context)
  if (refused !== undefined) return failure(refused)
  if (isTooLong(fields, options)) return page(500, 'Server Error (500)')
  const made = (options.multifile ? files : files.slice(0, 1)).map(file => submit(file, fields, context))
  const ids = made.flatMap(({ ids }) => ids)
  const errors = made.flatMap(({ errors }) => errors)
  if (ids.length === 0) return json({ error: true, error_value: 'Error adding task to database', errors })
  return created(ids, { errors }, fields.get('static') === '1')
}

export function createUrl({ fields }: Form, context: SubmissionContext): CapeAnswer {
  const url = fields.get('url') ?? ''
  if (url === '') return failure('URL value is empty')
  const refused = machineProblem(fields.get('machine') ?? '', context)
  if (refused !== undefined) return failure(refused)
  const id = add({ name: '', sample: sampleFacts(Buffer.alloc(0)) }, fields, context, { url })
  const answer = { error: [], data: { task_ids: [id], message: `Task ID ${id} has been submitted` } }
  return json({ ...answer, url: [`http://example.tld/submit/status/${id}`] })
}

function created(ids: readonly number[], more: { readonly errors: CapeJson }, nested: boolean): CapeAnswer {
  const [first = 0] = ids
  const shown = nested ? `[${first}]` : String(first)
  const message =
    ids.length === 1 ? `Task ID ${shown} has been submitted` : `Task IDs ${ids.join(', ')} have been submitted`
  const base = 'http://example.tld/submit/status/'
  const url = ids.length === 1 ? [`${base}${shown}/`] : ids.map(id => `${base}${id}`)
  return json({ error: [], data: { task_ids: nested ? [[first]] : ids, message }, ...more, url })
}

interface Made {
  readonly ids: readonly number[]
  readonly errors: readonly CapeJson[]
}

function submit(file: FormFile, fields: ReadonlyMap<string, string>, context: SubmissionContext): Made {
  const { options, sandbox, user } = context
  const name = storedName(file.name, fields)
  const refuse = (reason: CapeJson): Made => ({ ids: [], errors: [{ [name]: reason }] })
  const { sample } = file
  if (sample.size === 0) return refuse('You uploaded an empty file.')
  if (sample.size > (options.maxSampleSize ?? SIZE)) {
    const [size, allowed] = [sample.size, options.maxSampleSize ?? SIZE].map(bytes => Math.round(bytes / 2 ** 20))
    const text = 'Uploaded file exceeds the maximum allowed size in conf/web.conf. Sample size is:'
    return refuse(`${text} ${size} Allowed size is: ${allowed}`)
  }
  const once = (options.unique === true && user.staff !== true) || isTrue(fields.get('unique'))
  if (once && [...sandbox.tasks.values()].some(task => task.sample.sha256 === sample.sha256)) {
    return refuse('Duplicated file, disable unique option on submit or in conf/web.conf to force submission')
  }
  const wrong = tagProblem(fields.get('tags') ?? '', context)
  if (wrong !== undefined) return refuse({ error: wrong })
  const filters = !/^[01]\.|^2\.[0-4]/.test(options.version ?? '2.5')
  if (filters && isJunk(name) && fields.get('pcap') === undefined) {
    const path = `/tmp/cuckoo-tmp/upload_${sample.md5.slice(0, 8)}/${name}`
    return { ids: [], errors: [{ junk_filter: `File ${path} skipped by junk filter` }] }
  }
  const members = fields.get('package') === 'zip' ? undefined : membersOf(sample.head)
  const [only, another] = members ?? []
  if (only !== undefined && another === undefined) {
    const inner = { name: storedName(only.name, new Map()), sample: sampleFacts(only.content) }
    if (!isJunk(inner.name)) return { ids: [add(inner, fields, context, { parent: sample })], errors: [] }
  }
  const count = context.options.tasksPerUpload?.(name) ?? 1
  const ids =
    count === 1
      ? [add({ name, sample }, fields, context)]
      : Array.from({ length: count }, (_, index) => {
          const content = Buffer.concat([sample.head, Buffer.from(`member ${index + 1}`)])
          return add({ name, sample: sampleFacts(content) }, fields, context, { parent: sample })
        })
  const hints = another === undefined ? [] : (members ?? []).map(member => ({ option: `file=${member.name}` }))
  return { ids, errors: hints }
}

function add(
  { name, sample }: FormFile,
  fields: ReadonlyMap<string, string>,
  { sandbox, facts, user }: SubmissionContext,
  more: { readonly url?: string; readonly parent?: SampleFacts } = {},
): number {
  const field = (key: string) => fields.get(key) ?? ''
  const tags = field('tags')
    .split(',')
    .filter(tag => tag !== '')
  const task = sandbox.add({
    ...ANONYMOUS,
    sample,
    fileName: name,
    sentName: name,
    package: field('package') || (sample.type.startsWith('MS-DOS') ? 'exe' : ''),
    timeout: Number.parseInt(field('timeout'), 10) || 0,
    priority: Number.parseInt(field('priority'), 10) || 1,
    options: field('lin_options') || field('options'),
    machine: field('machine'),
    platform: field('platform'),
    tags,
    custom: field('custom'),
    memory: isTrue(fields.get('memory')),
    enforceTimeout: isTrue(fields.get('enforce_timeout')),
  })
  facts.set(task, { ...more, user: user.name, tlp: field('tlp') || null, tagsTasks: field('tags_tasks') || null })
  return task.id
}

function checkFields(fields: ReadonlyMap<string, string>, { complain }: SubmissionContext): void {
  for (const [name, value] of fields) {
    if (!KNOWN.has(name)) complain('form-field', `the field "${name}" is unknown to CAPE`)
    const limit = LIMITS[name]
    if (limit !== undefined && value.length > limit) complain('length', `the field "${name}" is longer than ${limit}`)
  }
  const custom = fields.get('custom') ?? ''
  if (looksLikeName(custom) !== undefined) complain('custom', `"${custom}" gives the file another name`)
}

function isTooLong(fields: ReadonlyMap<string, string>, { server }: CapeOptions): boolean {
  const isLong = Object.entries(LIMITS).some(([name, limit]) => (fields.get(name) ?? '').length > limit)
  return server === 'production' && (isLong || Math.abs(Number(fields.get('timeout') ?? 0)) >= 2 ** 31)
}

function machineProblem(machine: string, { sandbox }: SubmissionContext): string | undefined {
  if (machine === '' || sandbox.machines.some(({ name }) => name === machine)) return undefined
  if (machine === 'all') return 'Machine=all is disabled using the API'
  return `Machine '${machine}' does not exist. Available: ${sandbox.machines.map(({ name }) => name).join(', ')}`
}

function tagProblem(given: string, { sandbox }: SubmissionContext): string | undefined {
  const asked = given.split(',').filter(tag => tag !== '')
  if (asked.includes('x86') && asked.includes('x64')) {
    return 'Check Tags help, you have introduced x86 and x64 tags for the same task, choose only 1'
  }
  const supported = [...new Set(sandbox.machines.flatMap(({ tags }) => tags))].sort()
  if (asked.every(tag => supported.includes(tag))) return undefined
  return `Check Tags help, you have introduced incorrect tag(s). Your tags: ${given} - Supported tags: ${supported.join(',')}`
}

function isTrue(value: string | undefined): boolean {
  return /^(true|yes|on|1)$/i.test(value ?? '')
}
