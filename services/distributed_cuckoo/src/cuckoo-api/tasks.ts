/** `/tasks`: what became of submissions. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { queryOf } from '../server/fields.js'
import { type ById, findTask, removeTask } from '../server/tasks.js'
import type { TaskFilter } from '../store/model.js'
import type { Range } from '../store/pages.js'
import { listDocument, readCountInPath, readListFilter } from './list.js'
import { submitAgain } from './submit-again.js'
import { cuckooState, taskJson } from './task-json.js'

interface Paged {
  Params: { limit?: string; offset?: string }
}

interface ByPriority {
  Params: { id: string; priority?: string }
}

export function taskRoutes(app: FastifyInstance, context: ServerContext, version: string): void {
  const { store } = context
  const sendList = (reply: FastifyReply, filter: TaskFilter, range: Range) => {
    return reply.type('application/json').send(Readable.from(listDocument(store, filter, range)))
  }

  app.get<ById>(`${version}/tasks/view/:id`, async request => {
    return { task: taskJson(await findTask(context, request.params.id)) }
  })

  const list = async (request: FastifyRequest<Paged>, reply: FastifyReply) => {
    const [limit, offset] = [request.params.limit, request.params.offset].map(readCountInPath)
    return sendList(reply, await readListFilter(store, queryOf(request)), { limit, offset })
  }
  for (const page of ['', '/:limit', '/:limit/:offset']) app.get<Paged>(`${version}/tasks/list${page}`, list)

  // A sample goes by the id of a task that has it.
  app.get<ById>(`${version}/tasks/sample/:id`, async (request, reply) => {
    const { sha256 } = await findTask(context, request.params.id)
    return sendList(reply, sha256 === null ? { states: [] } : { sha256 }, {})
  })

  // A HEAD request that deletes is a trap of Cuckoo 2.0 that nobody needs.
  app.get<ById>(`${version}/tasks/delete/:id`, { exposeHeadRoute: false }, async request => {
    const task = await findTask(context, request.params.id)
    if (cuckooState(task) === 'running') {
      throw new ApiError(500, 'The task is currently being processed, cannot delete')
    }
    await removeTask(context, task)
    return { status: 'OK' }
  })

  // Of 1.2 and 2.0 (`tasks_reschedule`); the answer of 1.2 has no task_id.
  const again = async (request: FastifyRequest<ByPriority>) => {
    const task = await findTask(context, request.params.id)
    const priority = readCountInPath(request.params.priority) ?? task.priority
    return { status: 'OK', task_id: await submitAgain(context, { ...task, priority }) }
  }
  app.get<ByPriority>(`${version}/tasks/reschedule/:id`, { exposeHeadRoute: false }, again)
  app.get<ByPriority>(`${version}/tasks/reschedule/:id/:priority`, { exposeHeadRoute: false }, again)

  app.get<ById>(`${version}/tasks/rereport/:id`, { exposeHeadRoute: false }, async request => {
    await findTask(context, request.params.id)
    throw new ApiError(501, 'Reports cannot be made again: the node’s copy is gone once they are here')
  })
}
