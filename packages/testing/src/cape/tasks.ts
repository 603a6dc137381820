/** What is asked about tasks: status, view, list, search, and their deletion. */
import { ENDED_STATUSES } from '../cuckoo/sandbox.js'
import type { CuckooTask } from '../cuckoo/task.js'
import { type CapeAnswer, failure, json, page } from './answer.js'
import type { CapeContext } from './context.js'
import { taskJson } from './task-json.js'

const PAGE = 10
const LONGEST_PAGE = 50
const LONGEST_WINDOW = 1440

/** The task; or the answer for one that is not there, or not to be seen. */
export function visible(context: CapeContext, id: string, missing: string): CuckooTask | CapeAnswer {
  const { sandbox, options, user, facts } = context
  const number = Number(id)
  if (options.server === 'production' && number > 2 ** 31) return page(500, 'Server Error (500)')
  const task = sandbox.tasks.get(number)
  const { tenancy = 'off' } = options
  const isHidden = task !== undefined && tenancy === 'locked' && facts.get(task)?.user !== user.name
  if (task !== undefined && !isHidden) return task
  return tenancy === 'off' ? failure(missing) : failure('Task not found', 404)
}

/** A task that was recovered by the API goes on as another one, and the API answers for that. */
export function resolved({ sandbox }: CapeContext, task: CuckooTask): CuckooTask {
  const successor = /^Recovery_(\d+)$/.exec(task.custom)?.[1]
  return (task.status === 'recovered' ? sandbox.tasks.get(Number(successor)) : undefined) ?? task
}

export function taskStatus(context: CapeContext, id: string): CapeAnswer {
  const task = visible(context, id, 'Task does not exist')
  return 'body' in task ? task : json({ error: false, data: task.status })
}

export function taskView(context: CapeContext, id: string): CapeAnswer {
  const task = visible(context, id, 'Task not found in database')
  if ('body' in task) return task
  const shown = resolved(context, task)
  return json({ error: shown === task ? false : [], data: taskJson(shown, context.facts.get(shown), 'view') })
}

export function taskList(context: CapeContext, limitText: string, offsetText: string, windowText: string): CapeAnswer {
  const { query, sandbox, facts, options } = context
  const asked = limitText === '' ? PAGE : Number(limitText)
  const limit = Math.min(asked, LONGEST_PAGE)
  if (asked > LONGEST_PAGE) context.complain('limit', `CAPE lists at most ${LONGEST_PAGE} tasks at a time`)
  const after = query.get('completed_after') ?? ''
  if (after !== '' && !/^-?\d+$/.test(after)) return broken(context)
  if (after === '' && Number(windowText) > LONGEST_WINDOW) {
    return failure('The Window You Specified is greater than the configured maximum')
  }
  const words = (query.get('status') ?? '').split('|').filter(word => word !== '')
  if (options.server === 'production' && words.some(word => !STATUSES.has(word))) return broken(context)
  const found = [...sandbox.tasks.values()]
    .filter(task => options.tenancy !== 'locked' || facts.get(task)?.user === context.user.name)
    .filter(task => words.length === 0 || words.includes(task.status))
    .filter(
      task => after === '' || (task.completedOn !== undefined && task.completedOn.getTime() > Number(after) * 1000),
    )
    .filter(
      task =>
        (query.get('category') ?? 'any') === 'any' || (facts.get(task)?.url ? 'url' : 'file') === query.get('category'),
    )
    .filter(task => task.options.includes(query.get('option') ?? ''))
    .sort((a, b) => endOf(b, context) - endOf(a, context) || b.id - a.id)
  const rows = found.slice(Number(offsetText), Number(offsetText) + limit)
  const idsOnly = query.get('ids') !== null
  return json({
    ...(asked > LONGEST_PAGE && { warning: 'Task limit exceeds API configured limit.' }),
    data: rows.map(task => (idsOnly ? { id: task.id } : taskJson(task, facts.get(task), 'list'))),
    config: `Limit: ${limit}, Offset: ${offsetText === '' ? 'None' : offsetText}`,
    buf: idsOnly ? 0 : rows.length,
  })
}

export function taskSearch(context: CapeContext, kind: string, hash: string): CapeAnswer {
  const { sandbox, facts, user, options } = context
  if (hash !== hash.toLowerCase()) context.complain('hash', 'CAPE finds a hash in lower case only')
  const key = kind === 'md5' || kind === 'sha1' ? kind : 'sha256'
  // The hash of an archive finds the tasks of its members; their own does not.
  const found = [...sandbox.tasks.values()]
    .filter(task => facts.get(task)?.url === undefined && (facts.get(task)?.parent ?? task.sample)[key] === hash)
    .filter(task => options.tenancy !== 'locked' || facts.get(task)?.user === user.name)
    .sort((a, b) => b.id - a.id)
  if (found.length === 0) return json({ data: [], error: false })
  return json({ error: [], data: found.map(task => taskJson(task, facts.get(task), 'view')) })
}

export function taskDelete(context: CapeContext, ids: string, status: string): CapeAnswer {
  const { sandbox } = context
  const range = /^(\d+)-(\d+)$/.exec(ids)?.slice(1).map(Number)
  const [from = 0, to = 0] = range ?? []
  if (from > to) return failure('Start Task ID is bigger than End Task ID', 400)
  const asked = range ? Array.from({ length: to - from + 1 }, (_, index) => from + index) : ids.split(',').map(Number)
  if (asked.some(id => id <= 0)) return failure('Malformed task ID (expected positive integers)', 400)
  const gone: number[] = []
  const left: number[] = []
  for (const id of asked) {
    const task = sandbox.tasks.get(id)
    const isRight = task !== undefined && task.status === (status || 'reported')
    if (isRight) sandbox.remove(task)
    ;(isRight ? gone : left).push(id)
  }
  return json({
    ...(gone.length > 0 && { data: `Task(s) ID(s) ${gone.join(',')} has been deleted` }),
    ...(left.length > 0 && { error: true, failed: `Task(s) ID(s) ${left.join(',')} failed to remove` }),
  })
}

/** On although deletion is off: whoever uses it gets round what an administrator has switched off, unless `deleteMany` allows it. */
export function deleteMany(context: CapeContext, ids: string): CapeAnswer {
  const { sandbox, facts, user, options } = context
  if (options.deleteMany !== true) context.complain('delete_many', 'it deletes although deletion is switched off')
  const asked = ids.split(',').filter(id => id !== '')
  const invalid = asked.filter(id => !/^\d+$/.test(id))
  if (invalid.length > 0) return json({ invalid_ids: invalid, status: 'partial_error', error: true })
  const outcome = (id: string): string => {
    const task = sandbox.tasks.get(Number(id))
    if (task === undefined || (options.users !== undefined && facts.get(task)?.user !== user.name)) return 'not exists'
    if (task.status === 'running') return 'running'
    sandbox.remove(task)
    return 'deleted'
  }
  const isOld = /^[01]\.|^2\.[0-4]/.test(options.version ?? '2.5')
  const outcomes = asked.map(id => [id, outcome(id)]).filter(([, word]) => !isOld || word !== 'deleted')
  return json({ ...Object.fromEntries(outcomes), status: 'OK' })
}

/** On PostgreSQL tasks without an end come first, on SQLite last. */
function endOf(task: CuckooTask, { options }: CapeContext): number {
  const none = options.server === 'production' ? Number.POSITIVE_INFINITY : 0
  return Math.min(task.completedOn?.getTime() ?? none, Number.MAX_SAFE_INTEGER)
}

const STATUSES: ReadonlySet<string> = new Set(['pending', 'running', 'completed', 'distributed', ...ENDED_STATUSES])

export function broken({ options }: CapeContext): CapeAnswer {
  if (options.server === 'production') return page(500, 'Server Error (500)')
  return page(500, 'ValueError // Werkzeug Debugger', { named: false })
}
