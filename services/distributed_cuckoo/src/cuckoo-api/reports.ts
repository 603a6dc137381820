/** `/tasks/report` and `/tasks/summary`: reports, whole or in part. */
import { Readable } from 'node:stream'
import { JsonError } from '@cuckoo-distributed/json-scanner'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ALWAYS_FETCHED } from '../nodes/collect.js'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { queryOf } from '../server/fields.js'
import { type ByFormat, openReport, SANDBOXED, sendReport } from '../server/report.js'
import { type ById, findTask } from '../server/tasks.js'
import type { Task } from '../store/model.js'
import { findSection, summaryDocument } from './sections.js'

/** What some Cuckoo knows (`tasks_report` of 1.2 and 2.0); a format that is not fetched is one that there is no report in. */
const KNOWN = ['json', 'html', 'maec', 'metadata', 'all', 'dropped', 'package_files']

/** Formats that have a path of their own. */
const PATHS = { '/pcap/get': 'pcap', '/tasks/screenshots': 'screenshots' }

export function reportRoutes(app: FastifyInstance, context: ServerContext, version: string): void {
  const report = async (request: FastifyRequest<ByFormat>, reply: FastifyReply) => {
    const format = readFormat(context, request.params.format ?? 'json')
    const task = await findReported(context, request.params.id)
    const element = queryOf(request).get('elements')
    if (element !== undefined && format !== undefined) return sendElement(context, task, format, element, reply)
    // For Cuckoo's clients a 404 for the archive means that the task is gone; without a folder Cuckoo answers 500.
    if (format === 'dropped' && !(await hasReport(context, task.id, format))) {
      throw new ApiError(500, 'The dropped files could not be fetched from the node')
    }
    if (format === undefined) throw notThere()
    return sendReport(context, task, format, request, reply)
  }
  app.get<ByFormat>(`${version}/tasks/report/:id`, report)
  app.get<ByFormat>(`${version}/tasks/report/:id/:format`, report)

  for (const [path, format] of Object.entries(PATHS)) {
    app.get<ById>(`${version}${path}/:id`, async (request, reply) => {
      const task = await findReported(context, request.params.id)
      if (!context.config.ReportFormats.includes(format)) throw notThere()
      return sendReport(context, task, format, request, reply)
    })
  }

  app.get<ById>(`${version}/tasks/summary/:id`, async (request, reply) => {
    const task = await findReported(context, request.params.id)
    const file = await openReport(context, task, 'json')
    const summary = summaryDocument(file.createReadStream())
    return reply.headers(SANDBOXED).type('application/json').send(Readable.from(summary))
  })
}

/** The format as it is configured; undefined for one that is not fetched. @throws ApiError 400 for one that no Cuckoo has. */
function readFormat({ config }: ServerContext, asked: string): string | undefined {
  const find = (names: readonly string[]) => names.find(name => name.toLowerCase() === asked.toLowerCase())
  const format = find([...ALWAYS_FETCHED, ...config.ReportFormats])
  if (format === undefined && find(KNOWN) === undefined) throw new ApiError(400, 'Invalid report format')
  return format
}

async function findReported(context: ServerContext, id: string): Promise<Task> {
  const task = await findTask(context, id)
  if (task.state !== 'finished') throw notThere()
  return task
}

/** One section of the JSON report, in the words of Cuckoo 2.0.7 where there is none. */
async function sendElement(context: ServerContext, task: Task, format: string, element: string, reply: FastifyReply) {
  if (format !== 'json') {
    throw new ApiError(
      404,
      `Get specific field is not available in ${format.toUpperCase()} format, try again with JSON format`,
    )
  }
  const file = await openReport(context, task, format)
  const section = await findSection(file.createReadStream(), element).catch((error: unknown) => {
    if (!(error instanceof JsonError) || error.code !== 'too-large') throw error
    throw new ApiError(500, 'The element is too large; fetch the whole report', { cause: error })
  })
  if (section === undefined) throw new ApiError(404, `'${element.slice(0, 100)}' not found`)
  return reply.headers(SANDBOXED).type('application/json').send(JSON.stringify(section))
}

async function hasReport({ store }: ServerContext, id: number, format: string): Promise<boolean> {
  return (await store.tasks.reports(id)).some(report => report.format === format && report.size !== null)
}

function notThere(): ApiError {
  return new ApiError(404, 'Report not found')
}
