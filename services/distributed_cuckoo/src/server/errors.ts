/** Errors as clients see them: always JSON, with `message` and `status`. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { errorCode, type Logger } from '@cuckoo-distributed/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { DirectoryAwayError } from '../files/shared-directory.js'
import { NameTakenError, StoreFullError, StoreLostError } from '../store/errors.js'
import { causeOf } from '../trouble-log.js'

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

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL'])

export interface ErrorBody {
  readonly status: number
  readonly message: string
}

/** What an error says to the client; only texts made for clients leave the process. */
export function errorBody(error: unknown): ErrorBody {
  if (error instanceof ApiError) return { ...error.details, status: error.status, message: error.message }
  if (error instanceof NameTakenError) return { status: 409, message: error.message }
  if (isOutOfSpace(error)) return { status: 507, message: 'Insufficient Storage' }
  if (error instanceof DirectoryAwayError) return { status: 503, message: 'The directories cannot be used now' }
  if (error instanceof StoreFullError) return { status: 503, message: 'The database has no room' }
  if (error instanceof StoreLostError) return { status: 503, message: 'The database does not answer' }
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  return plainBody(status >= 400 && status < 500 ? status : 500)
}

/** True when a disk, or SQLite's, is full. */
export function isOutOfSpace(error: unknown): boolean {
  return NO_SPACE.has(errorCode(error))
}

/** What is wrong with the place, and not with one request. */
const PLACE = new Set([503, 507])

/** A full disk fails every request there is, and a fault may; the same is logged no more often. */
const REPEAT_MS = 60_000
const MAX_CAUSES = 1000

/** Answers with the error, in the shape of the API that was asked, and logs those that are not the client's. */
export function errorHandler(
  log: Logger,
  shapeAt: (url: string) => ((body: ErrorBody) => object) | undefined = () => undefined,
) {
  const logged = new Map<string, number>()
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const body = errorBody(error)
    // As bytes, since to a text the framework adds a charset, also where no hook runs.
    reply
      .code(body.status)
      .header('content-type', 'application/json')
      .send(Buffer.from(JSON.stringify(shapeAt(request.url)?.(body) ?? body)))
    // With 500 and 501 Cuckoo's API also says what is no fault at all.
    if (body.status < 500 || (error instanceof ApiError && !PLACE.has(body.status))) return
    // These say so themselves, once.
    if (error instanceof StoreLostError || error instanceof DirectoryAwayError) return
    const [now, cause] = [performance.now(), body.status === 500 ? causeOf(error) : body.message]
    if (now - (logged.get(cause) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return
    if (logged.size >= MAX_CAUSES) logged.clear()
    logged.set(cause, now)
    log.error({ method: request.method, url: request.url, err: error }, 'a request failed')
  }
}

/** Answers what is not even a request: Node shows it only its socket. */
export function clientErrorHandler(error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.writable && error.code !== 'ECONNRESET') {
    const body = plainBody(socketStatus(error.code))
    const text = JSON.stringify(body)
    const head = ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(text)}`, 'Connection: close']
    socket.write(`HTTP/1.1 ${body.status} ${body.message}\r\n${head.join('\r\n')}\r\n\r\n${text}`)
  }
  socket.destroy(error)
}

function socketStatus(code: string | undefined): number {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408
  return code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
}

/** For what the server itself refuses the reason phrase says enough, and nothing of what was sent. */
function plainBody(status: number): ErrorBody {
  return { status, message: STATUS_CODES[status] ?? 'Bad Request' }
}
