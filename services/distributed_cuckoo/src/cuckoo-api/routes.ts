/**
 * Cuckoo's own API in front of the whole cluster, so that any client of a Cuckoo can use it by its URL alone. Paths, fields and
 * answers are those of `cuckoosandbox/cuckoo:utils/api.py`; errors are JSON, as in `cuckoosandbox/cuckoo:cuckoo/apps/api.py`.
 */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ALWAYS_FETCHED } from '../nodes/collect.js'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { queryOf } from '../server/fields.js'
import { type ByFormat, sendReport } from '../server/report.js'
import { receiveTask } from '../server/submission.js'
import { type ById, findTask, removeTask } from '../server/tasks.js'
import { listDocument, readCountInPath, readListFilter } from './list.js'
import { machinesJson, statusJson } from './status.js'
import { cuckooState, taskJson } from './task-json.js'

interface Paged {
  Params: { limit?: string; offset?: string }
}

const RULES = {
  // Cuckoo takes the machine that is free when no platform is named.
  defaultPlatform: null,
  emptyNumbers: 'absent',
  unique: true,
} as const

/** Each resource under its own path and under `/v1`, as in Cuckoo. */
export function cuckooRoutes(app: FastifyInstance, context: ServerContext): void {
  for (const version of ['', '/v1']) {
    taskRoutes(app, context, version)
    reportRoutes(app, context, version)
    app.get(`${version}/cuckoo/status`, () => statusJson(context))
    app.get(`${version}/machines/list`, () => machinesJson(context.store))
  }
}

function taskRoutes(app: FastifyInstance, context: ServerContext, version: string): void {
  const { store } = context

  for (const kind of ['file', 'url'] as const) {
    app.post(`${version}/tasks/create/${kind}`, async request => {
      return { task_id: await receiveTask(request, context, { ...RULES, accepts: [kind] }) }
    })
  }

  app.get<ById>(`${version}/tasks/view/:id`, async request => {
    return { task: taskJson(await findTask(context, request.params.id)) }
  })

  const list = async (request: FastifyRequest<Paged>, reply: FastifyReply) => {
    const [limit, offset] = [request.params.limit, request.params.offset].map(readCountInPath)
    const filter = await readListFilter(store, queryOf(request))
    const page = { ...(limit !== undefined && { limit }), ...(offset !== undefined && { offset }) }
    return reply.type('application/json').send(Readable.from(listDocument(store, filter, page)))
  }
  for (const page of ['', '/:limit', '/:limit/:offset']) app.get<Paged>(`${version}/tasks/list${page}`, list)

  // A HEAD request that deletes is a trap of Cuckoo 2.0 that nobody needs.
  app.get<ById>(`${version}/tasks/delete/:id`, { exposeHeadRoute: false }, async request => {
    const task = await findTask(context, request.params.id)
    if (cuckooState(task) === 'running') {
      throw new ApiError(500, 'The task is currently being processed, cannot delete')
    }
    await removeTask(context, task)
    return { status: 'OK' }
  })
}

function reportRoutes(app: FastifyInstance, context: ServerContext, version: string): void {
  const report = async (request: FastifyRequest<ByFormat>, reply: FastifyReply) => {
    const asked = (request.params.format ?? 'json').toLowerCase()
    const known = [...ALWAYS_FETCHED, ...context.config.ReportFormats]
    const format = known.find(name => name.toLowerCase() === asked)
    if (format === undefined) throw new ApiError(400, 'Invalid report format')
    const task = await findTask(context, request.params.id)
    if (task.state !== 'finished') throw new ApiError(404, 'Report not found')
    // For Cuckoo's clients a 404 for the archive means that the task is gone; without a folder Cuckoo answers 500.
    if (format === 'dropped' && !(await hasReport(context, task.id, format))) {
      throw new ApiError(500, 'The dropped files could not be fetched from the node')
    }
    return sendReport(context, task, format, request, reply)
  }
  app.get<ByFormat>(`${version}/tasks/report/:id`, report)
  app.get<ByFormat>(`${version}/tasks/report/:id/:format`, report)
}

async function hasReport({ store }: ServerContext, id: number, format: string): Promise<boolean> {
  return (await store.tasks.reports(id)).some(report => report.format === format && report.size !== null)
}
