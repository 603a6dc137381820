/** `/api/report` and `/api/pcap`: what has come of finished tasks. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ALWAYS_FETCHED } from '../nodes/collect.js'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { type ByFormat, formatNotFound, sendReport } from '../server/report.js'
import { type ById, findTask } from '../server/tasks.js'
import type { Task } from '../store/model.js'

export function reportRoutes(app: FastifyInstance, context: ServerContext, base: string): void {
  const { ReportFormats } = context.config

  const report = async (request: FastifyRequest<ByFormat>, reply: FastifyReply) => {
    const { id, format: asked = 'json' } = request.params
    const task = await findFinished(context, id)
    const format = [...ALWAYS_FETCHED, ...ReportFormats].find(known => known === asked)
    if (format === undefined) throw formatNotFound()
    return sendReport(context, task, format, request, reply)
  }
  app.get<ByFormat>(`${base}/report/:id`, report)
  app.get<ByFormat>(`${base}/report/:id/:format`, report)

  app.get<ById>(`${base}/pcap/:id`, async (request, reply) => {
    const task = await findFinished(context, request.params.id)
    if (!ReportFormats.includes('pcap')) throw new ApiError(404, 'Pcap file not found')
    return sendReport(context, task, 'pcap', request, reply)
  })
}

/** @throws ApiError 404 when there is none or it has failed, 420 when it may yet be finished. */
async function findFinished(context: ServerContext, id: string): Promise<Task> {
  const task = await findTask(context, id)
  if (task.state === 'failed') throw new ApiError(404, `Task failed: ${task.error ?? 'no reason known'}`)
  if (task.state !== 'finished') throw new ApiError(420, 'Task not finished yet')
  return task
}
