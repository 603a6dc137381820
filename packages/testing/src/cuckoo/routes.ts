/** The routes of Cuckoo's API: from a request to an answer. */
import type { IncomingMessage } from 'node:http'
import { collect, compress } from '../archive/compress.js'
import { type TarEntry, tar } from '../archive/tar.js'
import { type Answer, apiError, frameworkError, json, success } from './answer.js'
import { capture, foreignFormat, memoryGet, memoryList, screenshots } from './artifacts.js'
import { memoryBody } from './body.js'
import { droppedEntries } from './dropped.js'
import type { CuckooVersion, Flavour } from './flavour.js'
import type { PythonValue } from './python-json.js'
import type { Sandbox, Storage } from './sandbox.js'
import { FormError, readForm } from './submission.js'
import { type CuckooTask, sampleJson, taskJson } from './task.js'

/** What a route works with. */
export interface RouteContext {
  readonly request: IncomingMessage
  /** Path without `/v1`. */
  readonly path: string
  readonly query: URLSearchParams
  readonly flavour: Flavour
  readonly version: CuckooVersion
  readonly sandbox: Sandbox
  /** The `diskspace` object of the status, or undefined when the server has none. */
  readonly diskspace: PythonValue | undefined
  /** The URL as error pages show it. */
  readonly url: string
  /** The script's own faults that this request meets. */
  readonly fault: 'databaseError' | 'nullTask' | undefined
  complain(rule: string, detail: string): void
}

type Handler = (context: RouteContext, argument: string, second: string) => Answer | Promise<Answer>

const ROUTES: readonly [method: 'GET' | 'POST', path: RegExp, handler: Handler][] = [
  ['GET', /^\/cuckoo\/status$/, status],
  ['POST', /^\/tasks\/create\/file$/, createFile],
  ['GET', /^\/tasks\/list(?:\/(\d+)(?:\/(\d+))?)?$/, list],
  ['GET', /^\/tasks\/view\/(-?\d+)$/, view],
  ['GET', /^\/tasks\/report\/(-?\d+)(?:\/([^/]+))?$/, report],
  ['GET', /^\/tasks\/screenshots\/(-?\d+)$/, (context, id) => screenshots(asked(context, id), id)],
  ['GET', /^\/pcap\/get\/(-?\d+)$/, (context, id) => capture(asked(context, id))],
  ['GET', /^\/memory\/list\/(\d+)$/, (context, id) => memoryList(asked(context, id))],
  ['GET', /^\/memory\/get\/(\d+)\/([^/]+)$/, (context, id, name) => memoryGet(asked(context, id), name)],
  ['GET', /^\/tasks\/delete\/(-?\d+)$/, remove],
  ['GET', /^\/files\/view\/(md5|sha256|id)\/([^/]+)$/, viewFile],
  ['GET', /^\/machines\/list$/, listMachines],
]

/** Finds the route and runs it. Errors of the form or the framework become its pages. */
export async function answerRequest(context: RouteContext): Promise<Answer> {
  const { request, path, flavour, url } = context
  const found = ROUTES.flatMap(([method, pattern, handler]) => {
    const match = pattern.exec(path)
    return match === null ? [] : [{ method, handler, argument: match[1] ?? '', second: match[2] ?? '' }]
  })[0]
  // Bottle's integers take a sign, Flask's do not.
  if (found === undefined || (flavour.framework === 'flask' && found.argument.startsWith('-'))) {
    return frameworkError(flavour, 404, `Not found: '${path}'`, url)
  }
  if (request.method !== found.method && !(request.method === 'HEAD' && found.method === 'GET')) {
    const answer = frameworkError(flavour, 405, 'Method not allowed.', url)
    const flask = found.method === 'GET' ? 'HEAD, OPTIONS, GET' : 'POST, OPTIONS'
    return { ...answer, headers: { ...answer.headers, Allow: flavour.framework === 'flask' ? flask : found.method } }
  }
  // SQLite's integers end at 2^63.
  if (/^\d{20,}$/.test(found.argument)) return internalError(context)
  return found.handler(context, found.argument, found.second)
}

function internalError({ flavour, url }: RouteContext): Answer {
  return frameworkError(flavour, 500, 'Internal Server Error', url)
}

function status({ flavour, sandbox, diskspace, fault }: RouteContext): Answer {
  // All counters are 0 when the database fails, with a 200 all the same (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`,
  // `count_tasks`, `list_machines`).
  const counted = (value: number): number => (fault === 'databaseError' ? 0 : value)
  const count = (state: Parameters<Sandbox['count']>[0]): number => counted(sandbox.count(state))
  return json(flavour, {
    tasks: {
      reported: count('reported'),
      completed: count('completed'),
      total: counted(sandbox.tasks.size),
      running: count('running'),
      pending: count('pending'),
    },
    version: flavour.version,
    hostname: 'sandbox',
    machines: { available: counted(sandbox.freeMachines), total: counted(sandbox.machines.length) },
    ...(diskspace === undefined ? {} : { diskspace }),
    ...(flavour.diskspace ? { cpuload: [] } : {}),
    ...(flavour.framework === 'flask' ? { memory: 42 } : {}),
    ...(flavour.newTaskFields ? { cpu_count: 2, memavail: 23_279_588, memtotal: 24_682_416, processes: {} } : {}),
  })
}

async function createFile(context: RouteContext): Promise<Answer> {
  const { request, flavour, sandbox, url, fault } = context
  try {
    const { submission, storable } = await readForm(request, flavour, context.complain)
    const stored = storable && fault === undefined
    return json(flavour, { task_id: stored ? sandbox.add(submission).id : null })
  } catch (error: unknown) {
    if (!(error instanceof FormError)) throw error
    return frameworkError(flavour, error.status, 'Internal Server Error', url)
  }
}

function list(context: RouteContext, limit: string, offset: string): Answer {
  const { flavour, sandbox, query, fault } = context
  const after = query.get('completed_after')
  if (after !== null && after !== '' && !/^-?\d+$/.test(after)) return internalError(context)
  if (limit !== '' && !flavour.listLimitWorks) {
    context.complain('list-limit', `Cuckoo ${flavour.version} answers an empty list when a limit is given`)
    return json(flavour, { tasks: [] })
  }
  const state = query.get('status') ?? ''
  const owner = flavour.owner ? (query.get('owner') ?? '') : ''
  const found = [...sandbox.tasks.values()]
    .filter(task => state === '' || task.status === state)
    .filter(task => owner === '' || task.owner === owner)
    .filter(task => !after || (task.completedOn !== undefined && task.completedOn.getTime() > Number(after) * 1000))
    .sort((a, b) => (a.completedOn?.getTime() ?? 0) - (b.completedOn?.getTime() ?? 0) || a.id - b.id)
  const first = Number(offset)
  const page = found.slice(first, limit === '' ? undefined : first + Number(limit))
  return json(flavour, { tasks: fault === undefined ? page.map(task => taskJson(task, flavour, 'list')) : [] })
}

function view({ flavour, sandbox, url, fault }: RouteContext, id: string): Answer {
  const task = sandbox.tasks.get(Number(id))
  if (task === undefined || fault !== undefined) return apiError(flavour, 404, 'Task not found', url)
  return json(flavour, { task: taskJson(task, flavour, 'view') })
}

async function report(context: RouteContext, id: string, format: string): Promise<Answer> {
  const { flavour, sandbox, url } = context
  const storage = sandbox.storageOf(Number(id))
  switch (format.toLowerCase()) {
    case '':
    case 'json':
      if (storage?.report === undefined) return apiError(flavour, 404, 'Report not found', url)
      return success(flavour.reportType, storage.report)
    case 'html':
    case 'maec':
    case 'metadata':
      return apiError(flavour, 404, 'Report not found', url)
    case 'dropped':
    case 'all':
      return archive(context, Number(id), storage, format.toLowerCase())
    default: {
      const foreign = foreignFormat({ storage }, format)
      return foreign ? success('application/zip', foreign) : apiError(flavour, 400, 'Invalid report format', url)
    }
  }
}

function asked({ sandbox, flavour, url }: RouteContext, id: string) {
  return { storage: sandbox.storageOf(Number(id)), flavour, url }
}

/** The route never looks at the database: without a folder it fails, and without files the archive is empty. */
async function archive(
  context: RouteContext,
  id: number,
  storage: Storage | undefined,
  format: string,
): Promise<Answer> {
  const { flavour, sandbox, query } = context
  if (storage === undefined && !(flavour.droppedOfPending === 'empty' && sandbox.tasks.has(id))) {
    return internalError(context)
  }
  const dropped = storage?.dropped
  const ready = dropped !== undefined && 'stream' in dropped ? dropped : undefined
  const asked = flavour.tarOption ? query.get('tar') : null
  const compression = asked === 'gz' ? 'gz' : asked === 'tar' ? 'none' : 'bz2'
  const body = ready ?? memoryBody(await collect(compress(tar(entries(context, storage, format)), compression)))
  return success('application/x-tar; charset=UTF-8', body)
}

function* entries({ version }: RouteContext, storage: Storage | undefined, format: string): Generator<TarEntry> {
  const dropped = storage?.dropped
  if (dropped !== undefined && !('stream' in dropped)) yield* droppedEntries(dropped, version)
  if (format === 'all' && storage?.report !== undefined) {
    yield { name: 'reports/' }
    yield { name: 'reports/report.json', size: storage.report.bytes, content: storage.report.stream() }
  }
}

function remove({ request, flavour, sandbox, url, complain }: RouteContext, id: string): Answer {
  if (request.method === 'HEAD') complain('delete', 'a HEAD request deletes the task')
  const task = sandbox.tasks.get(Number(id))
  if (task === undefined) return apiError(flavour, 404, 'Task not found', url)
  if (task.status === 'running') {
    return apiError(flavour, 500, 'The task is currently being processed, cannot delete', url)
  }
  sandbox.delete(task, flavour)
  return json(flavour, { status: 'OK' })
}

function viewFile({ flavour, sandbox, url, fault }: RouteContext, kind: string, value: string): Answer {
  const key = (task: CuckooTask): string =>
    kind === 'md5' ? task.sample.md5 : kind === 'sha256' ? task.sample.sha256 : String(task.sampleId)
  // Samples outlive their tasks.
  const known = sandbox.submissions.find(task => key(task) === value)
  if (known === undefined || fault !== undefined) return apiError(flavour, 404, 'File not found', url)
  const tasks = [...sandbox.tasks.values()].filter(task => task.sampleId === known.sampleId).map(task => task.id)
  const sample = sampleJson(known.sample, known.sampleId)
  return json(flavour, { sample: flavour.newTaskFields ? { ...sample, tasks } : sample })
}

function listMachines({ flavour, sandbox, fault }: RouteContext): Answer {
  const machines = fault === 'databaseError' ? [] : sandbox.machines
  return json(flavour, {
    machines: machines.map(({ id, name, tags }) => ({
      id,
      name,
      label: name,
      ip: `192.168.56.${100 + id}`,
      platform: 'windows',
      tags,
      interface: null,
      snapshot: null,
      locked: false,
      locked_changed_on: null,
      status: null,
      status_changed_on: null,
      resultserver_ip: '192.168.56.1',
      resultserver_port: '2042',
    })),
  })
}
