/** `/task`: submissions and what became of them. */
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { queryOf } from '../server/fields.js'
import { receiveTask, type SubmissionRules } from '../server/submission.js'
import { type ById, findTask, removeTask, tasksDocument } from '../server/tasks.js'
import type { Task } from '../store/model.js'
import { pagesOf } from '../store/pages.js'
import { readFilter, readRange } from './task-filter.js'

/** The original sends everything to Windows machines unless told otherwise (`cuckoosandbox/cuckoo:utils/dist.py`, `TaskRootApi`). */
const RULES: SubmissionRules = {
  accepts: ['file', 'url'],
  defaultPlatform: 'windows',
  emptyNumbers: 'refused',
  unique: false,
}

export function taskRoutes(app: FastifyInstance, context: ServerContext): void {
  const { store } = context

  app.get('/task', async (request, reply) => {
    const query = queryOf(request)
    const pages = pagesOf(store, readFilter(query), readRange(query))
    return reply.type('application/json').send(Readable.from(tasksDocument('{"tasks":{', pages, shownTask)))
  })

  app.post('/task', async request => {
    return { task_id: await receiveTask(request, context, RULES) }
  })

  app.get<ById>('/task/:id', async request => {
    const task = await findTask(context, request.params.id)
    const waiting = task.state === 'pending' ? await store.tasks.waitReason(task.requirement) : undefined
    const missing_reports = await missingReports(context, task)
    const retries = task.retries.map(({ at, ...retry }) => ({ at: shownTime(at), ...retry }))
    return { tasks: { [String(task.id)]: { ...shownTask(task), waiting: waiting ?? null, missing_reports, retries } } }
  })

  app.delete<ById>('/task/:id', async (request, reply) => {
    await removeTask(context, await findTask(context, request.params.id))
    return reply.type('application/json').send('null')
  })
}

/** Why formats are missing that were asked of the node, and whether they may come yet. */
async function missingReports({ store }: ServerContext, { id }: Task) {
  const missing = (await store.tasks.reports(id)).filter(({ size }) => size === null)
  return Object.fromEntries(missing.map(({ format, reason, retry }) => [format, { reason, retry }]))
}

/** The thirteen documented members, then those of later versions and our own. */
function shownTask(task: Task) {
  return {
    task_id: task.id,
    path: task.samplePath,
    package: task.package,
    timeout: task.timeout,
    priority: task.priority,
    options: task.options,
    machine: task.machine,
    platform: task.platform,
    tags: task.tags,
    custom: task.custom,
    memory: task.memory,
    clock: shownClock(task.clock),
    enforce_timeout: task.enforceTimeout === null ? null : String(Number(task.enforceTimeout)),
    id: task.id,
    category: task.category,
    filename: task.filename,
    url: task.url,
    owner: task.owner,
    status: task.state,
    finished: task.state === 'finished' || task.state === 'failed',
    node: task.nodeName,
    node_id: task.nodeId,
    node_task_id: task.nodeTaskId,
    node_state: task.state === 'processing' ? task.nodeState : null,
    pinned_to: task.pinNodeName,
    attempts: task.attempt,
    error: task.error,
    added_on: shownTime(task.addedOn),
    completed_on: shownTime(task.completedOn),
  }
}

/** Documented as an integer; the form that nodes want stays a text. */
function shownClock(clock: string | null): number | string | null {
  return clock !== null && /^\d+$/.test(clock) ? Number(clock) : clock
}

/** Seconds since 1970. */
function shownTime(time: number | null): number | null {
  return time === null ? null : Math.floor(time / 1000)
}
