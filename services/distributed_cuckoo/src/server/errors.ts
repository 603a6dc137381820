/** Errors as clients see them: always JSON, with `message` and `status`. */
import type { Logger } from '@cuckoo-distributed/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { NameTakenError, StoreLostError } from '../store/errors.js'

/** An answer that is an error. */
export class ApiError extends Error {
  readonly code = 'API'
  override readonly name = 'ApiError'
  readonly status: number
  /** Further members of the answer. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    status: number,
    message: string,
    options: { readonly details?: Readonly<Record<string, unknown>>; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.status = status
    this.details = options.details ?? {}
  }
}

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL', '53100'])

/** What an error says to the client; only texts made for clients leave the process. */
export function errorBody(error: unknown): { readonly status: number; readonly message: string } {
  if (error instanceof ApiError) return { ...error.details, status: error.status, message: error.message }
  if (error instanceof NameTakenError) return { status: 409, message: error.message }
  if (isOutOfSpace(error)) return { status: 507, message: 'Insufficient Storage' }
  if (error instanceof StoreLostError) return { status: 503, message: 'The database does not answer' }
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  if (status === 413) return { status, message: 'Payload Too Large' }
  if (typeof status === 'number' && status >= 400 && status < 500) return { status, message: 'Bad Request' }
  return { status: 500, message: 'Internal Server Error' }
}

/** True when a disk or a database is full. */
export function isOutOfSpace(error: unknown): boolean {
  return error instanceof Error && 'code' in error && NO_SPACE.has(String(error.code))
}

/** Answers with the error, and logs those that are not the client's. */
export function errorHandler(log: Logger) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const body = errorBody(error)
    if (body.status >= 500) log.error({ method: request.method, url: request.url, err: error }, 'a request failed')
    reply.code(body.status).send(body)
  }
}
