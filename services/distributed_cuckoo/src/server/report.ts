/** Stored reports, streamed as they came. */
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
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
export const SANDBOXED = { 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' } as const

/**
 * Streams a stored report. `format` must not come from the request unchecked, as it becomes part of a path.
 *
 * @throws ApiError 404 when the node did not have it, 503 when it cannot be read now.
 */
export async function sendReport(
  context: ServerContext,
  task: Task,
  format: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const file = await openReport(context, task, format)
  reply.headers({ ...SANDBOXED, 'content-type': contentType(format) })
  return sendFile(file, request, reply)
}

/** The caller closes it. Throws as `sendReport` does. */
export async function openReport({ store, files }: ServerContext, task: Task, format: string): Promise<FileHandle> {
  files.reports.demandReadable()
  const stored = (await store.tasks.reports(task.id)).find(report => report.format === format && report.size !== null)
  if (stored === undefined) throw formatNotFound()
  return files.reports.ask(open(files.reportPath(task.id, format))).catch((error: unknown) => {
    // Not 404: to Cuckoo's clients that means that there will never be one.
    throw new ApiError(503, 'The report cannot be read', { cause: error })
  })
}

/** Answers with the bytes of the file, which is closed in the end. */
export async function sendFile(file: FileHandle, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  try {
    // The answer was given up while the file was sought.
    if (reply.sent) throw new ApiError(503, 'The report cannot be read')
    reply.header('content-length', (await file.stat()).size)
    if (request.method !== 'HEAD') return reply.send(file.createReadStream())
  } catch (error: unknown) {
    await file.close()
    throw error
  }
  await file.close()
  // Of an empty stream a HEAD keeps its length; of no answer it becomes 0.
  return reply.send(Readable.from([]))
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
