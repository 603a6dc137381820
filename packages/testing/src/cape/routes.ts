/** The routes of CAPE's API (`kevoreilly/CAPEv2:web/apiv2/urls.py`): from a request to an answer. */
import { type CapeAnswer, detail, failure, json, page, redirect } from './answer.js'
import { bundle, fullMemory, pcap, processMemory, report, screenshots } from './artefacts.js'
import type { CapeContext } from './context.js'
import { readForm } from './form.js'
import type { CapeSection } from './options.js'
import { createFile, createUrl } from './submission.js'
import { deleteMany, taskDelete, taskList, taskSearch, taskStatus, taskView } from './tasks.js'

interface Route {
  readonly methods: readonly string[]
  readonly path: RegExp
  readonly section: CapeSection | undefined
  /** What is answered while the section is off. */
  readonly name: string
  readonly answer: (context: CapeContext, ...parts: string[]) => CapeAnswer | Promise<CapeAnswer>
}

const ROUTES: readonly Route[] = [
  route('GET', /^cuckoo\/status\/$/, 'cuckoostatus', 'Cuckoo Status API is disabled', status),
  route('POST', /^tasks\/create\/file\/$/, 'filecreate', 'File Create API is Disabled', async context =>
    createFile(await readForm(context.request, context.complain), context),
  ),
  route('POST', /^tasks\/create\/url\/$/, 'urlcreate', 'URL Create API is Disabled', async context =>
    createUrl(await readForm(context.request, context.complain), context),
  ),
  route('GET POST', /^tasks\/status\/(\d+)\/$/, 'taskstatus', 'Task status API is disabled', taskStatus),
  route('GET', /^tasks\/view\/(\d+)\/$/, 'taskview', 'Task View API is Disabled', taskView),
  route(
    'GET',
    /^tasks\/list\/(?:(\d+)\/(?:(\d+)\/(?:(\d+)\/)?)?)?$/,
    'tasklist',
    'Task List API is Disabled',
    taskList,
  ),
  route(
    'GET',
    /^tasks\/search\/(?:(md5)\/([0-9a-fA-F]{32})|(sha1)\/([0-9a-fA-F]{40})|(sha256)\/([0-9a-fA-F]{64}))\/$/,
    'tasksearch',
    'Task Search API is Disabled',
    (context, ...parts) => {
      const [kind = '', hash = ''] = parts.filter(part => part !== '')
      return taskSearch(context, kind, hash)
    },
  ),
  route(
    'GET',
    /^tasks\/get\/report\/(\d+)\/(?:(\w+)\/(?:(\w{3})\/)?)?$/,
    'taskreport',
    'Task Report API is Disabled',
    report,
  ),
  route(
    'GET',
    /^tasks\/get\/dropped\/(\d+)\/$/,
    'taskdropped',
    'Dropped File download API is disabled',
    (context, id = '') =>
      /^\d*$/.test(context.query.get('max_size') ?? '')
        ? bundle(context, id, 'dropped')
        : page(500, 'ValueError', { named: false }),
  ),
  route(
    'GET',
    /^tasks\/get\/payloadfiles\/(\d+)\/$/,
    'payloadfiles',
    'CAPE payload file download API is disabled',
    (context, id = '') => bundle(context, id, 'payloads'),
  ),
  route(
    'GET',
    /^tasks\/get\/procdumpfiles\/(\d+)\/$/,
    'procdumpfiles',
    'Procdump file download API is disabled',
    (context, id = '') => bundle(context, id, 'procdump'),
  ),
  route(
    'GET',
    /^tasks\/get\/procmemory\/(\d+)\/$/,
    'taskprocmemory',
    'Downloading of all process memory dumps is disabled',
    processMemory,
  ),
  route(
    'GET',
    /^tasks\/get\/fullmemory\/(\d+)\/$/,
    'taskfullmemory',
    'Full memory download API is disabled',
    fullMemory,
  ),
  route('GET', /^tasks\/get\/pcap\/(\d+)\/$/, 'taskpcap', 'PCAP download API is disabled', pcap),
  route(
    'GET',
    /^tasks\/get\/screenshot\/(\d+)\/$/,
    'taskscreenshot',
    'Screenshot download API is disabled',
    screenshots,
  ),
  route(
    'GET',
    /^tasks\/delete\/(\d+(?:,\d+)*|\d+-\d+)\/(?:(\w+)\/)?$/,
    'taskdelete',
    'Task Deletion API is Disabled',
    taskDelete,
  ),
  route('POST', /^tasks\/delete_many\/$/, undefined, '', async context =>
    deleteMany(context, (await readForm(context.request, context.complain)).fields.get('ids') ?? ''),
  ),
  route('GET', /^machines\/list\/$/, 'machinelist', 'Machine list API is disabled', machines),
]

function route(
  methods: string,
  path: RegExp,
  section: CapeSection | undefined,
  name: string,
  answer: Route['answer'],
): Route {
  return { methods: methods.split(' '), path, section, name, answer }
}

const PREFIX = '/apiv2/'

/** Before anybody is asked for a token: what is no path of the API. */
export function pathProblem({ request, options, complain }: CapeContext, path: string): CapeAnswer | undefined {
  const isProduction = options.server === 'production'
  if (ROUTES.some(one => one.path.test(path.slice(PREFIX.length))) && path.startsWith(PREFIX)) return undefined
  const withSlash = `${path}/`.slice(PREFIX.length)
  if (ROUTES.some(one => one.path.test(withSlash))) {
    // So asks who wants to know whether this is a Cuckoo.
    if (!path.endsWith('/cuckoo/status')) complain('slash', `${path} does not end in a slash`)
    if (isProduction) return redirect(302, '/')
    if (request.method !== 'GET' && request.method !== 'HEAD') return page(500, 'RuntimeError', { named: false })
    return redirect(301, `${path}/`)
  }
  return isProduction ? redirect(302, '/') : page(404, `Page not found at ${path}`)
}

export function answerCape(context: CapeContext, path: string): CapeAnswer | Promise<CapeAnswer> {
  const { request, user } = context
  const found = ROUTES.find(one => one.path.test(path.slice(PREFIX.length)))
  if (found === undefined) return page(404, `Page not found at ${path}`)
  const { methods, section, name, answer } = found
  const method = request.method ?? ''
  if (method === 'HEAD') context.complain('head', 'CAPE answers 405 to every HEAD')
  if (!methods.includes(method)) return detail(405, `Method "${method}" not allowed.`)
  const mayDelete = section === 'taskdelete' && user.staff === true
  if (section !== undefined && !context.isOn(section) && !mayDelete) return failure(name)
  const parts = found.path.exec(path.slice(PREFIX.length))?.slice(1) ?? []
  return answer(context, ...parts.map(part => part ?? ''))
}

function status({ sandbox, options }: CapeContext): CapeAnswer {
  const count = (state: 'pending' | 'running' | 'completed' | 'reported') => sandbox.count(state)
  const tasks = {
    total: sandbox.tasks.size,
    pending: count('pending'),
    running: count('running'),
    completed: count('completed'),
    reported: count('reported'),
  }
  const { freeGiB: free = 72, version = '2.5' } = options
  const storage = { free, total: 251, used: 251 - free, used_by: `${Math.round(((251 - free) / 251) * 1000) / 10}%` }
  const machines = { total: sandbox.machines.length, available: sandbox.freeMachines }
  const server = { storage, ram: { free: 15, total: 23, used: 2 } }
  return json({ error: [], data: { version, hostname: 'sandbox', machines, tasks, server } })
}

function machines({ sandbox }: CapeContext): CapeAnswer {
  const rows = sandbox.machines.map(({ id, name, tags }) => ({
    id,
    name,
    label: name,
    arch: 'x64',
    ip: `192.0.2.${id}`,
    platform: 'windows',
    interface: null,
    snapshot: null,
    locked: false,
    locked_changed_on: null,
    status: null,
    status_changed_on: null,
    resultserver_ip: '192.0.2.254',
    resultserver_port: '2042',
    reserved: false,
    tags,
  }))
  return json({ data: rows, error: [] })
}
