/** Stored reports, streamed as they came. */
import { open } from 'node:fs/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Task } from '../store/model.js'
import type { ServerContext } from './context.js'
import { ApiError } from './errors.js'

export interface ByFormat {
  Params: { id: string; format?: string }
}

/**
 * A report is made by malware as much as by Cuckoo: no script of it may run in the name of this server, whatever its format. XML may
 * be XHTML.
 */
const SANDBOXED = { 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' } as const

/**
 * Streams a stored report. `format` must not come from the request unchecked, as it becomes part of a path.
 *
 * @throws ApiError 404 when the node did not have it.
 */
export async function sendReport(
  { store, files, log }: ServerContext,
  task: Task,
  format: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const stored = (await store.tasks.reports(task.id)).find(report => report.format === format && report.size !== null)
  if (stored === undefined) throw formatNotFound()
  const file = await open(files.reportPath(task.id, format)).catch((error: unknown) => {
    log.error({ task: task.id, format, err: error }, 'a stored report cannot be read')
    // Not 404: to Cuckoo's clients that means that there will never be one.
    throw new ApiError(503, 'The report cannot be read', { cause: error })
  })
  const { size } = await file.stat()
  reply.headers({ ...SANDBOXED, 'content-type': contentType(format), 'content-length': size })
  if (request.method === 'HEAD') {
    await file.close()
    return reply.send()
  }
  return reply.send(file.createReadStream())
}

export function formatNotFound(): ApiError {
  return new ApiError(404, 'Report format not found')
}

function contentType(format: string): string {
  if (format === 'json') return 'application/json'
  if (format === 'html' || format.endsWith('.html')) return 'text/html; charset=utf-8'
  if (['maec', 'mmdef', 'metadata', 'xml'].includes(format) || format.endsWith('.xml')) return 'application/xml'
  return format === 'all' || format === 'dropped' ? 'application/x-tar' : 'application/octet-stream'
}
