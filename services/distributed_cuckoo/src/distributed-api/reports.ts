/** `/report`: the reports of finished tasks. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { type ByFormat, formatNotFound, sendReport } from '../server/report.js'
import { findTask } from '../server/tasks.js'
import type { Task } from '../store/model.js'

export function reportRoutes(app: FastifyInstance, context: ServerContext): void {
  const serve = async (request: FastifyRequest<ByFormat>, reply: FastifyReply) => {
    const task = await findTask(context, request.params.id)
    checkFinished(task)
    const { format = 'json' } = request.params
    if (!context.config.ReportFormats.includes(format)) throw formatNotFound()
    return sendReport(context, task, format, request, reply)
  }
  app.get<ByFormat>('/report/:id', serve)
  app.get<ByFormat>('/report/:id/:format', serve)
}

function checkFinished(task: Task): void {
  if (task.state === 'failed') throw new ApiError(404, `Task failed: ${task.error ?? 'no reason known'}`)
  if (task.state !== 'finished') throw new ApiError(404, 'Task not finished yet', { details: { state: task.state } })
}
