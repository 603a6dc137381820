/** The HTTP server, which knows no API: what is common to all resources. */
import { type FastifyInstance, fastify } from 'fastify'
import { LONGEST_REQUEST_MS } from '../files/files.js'
import type { ServerContext } from './context.js'
import { answerInTime } from './deadline.js'
import { ApiError, clientErrorHandler, type ErrorBody, errorHandler } from './errors.js'
import { acceptForms } from './form.js'
import { refuseStrangers } from './guard.js'
import { answerOtherMethods, noteRoutes, type RouteTable } from './methods.js'
import { documentOf, type Paths } from './openapi.js'

/** Of bodies that are not streamed. */
const SMALL_BODY = 2 ** 20
/** Without a byte in either direction. */
const IDLE_MS = 60_000

/** A set of resources that the server offers. */
export interface Api {
  /** What the OpenAPI document says of them. */
  readonly paths: Paths
  readonly addRoutes: (app: FastifyInstance, context: ServerContext) => void
  /** For an API whose errors look otherwise, below a path of its own. */
  readonly errors?: { readonly below: string; readonly shape: (body: ErrorBody) => object }
}

export interface Server {
  readonly app: FastifyInstance
  /** The resources with their methods, OPTIONS and refusals not counted. */
  readonly routes: RouteTable
}

/** Makes a server for these APIs; it does not listen yet. */
export function createServer(context: ServerContext, apis: readonly Api[]): Server {
  const answerError = errorHandler(context.log, url => apis.find(api => isBelow(api, url))?.errors?.shape)
  const app = fastify({
    bodyLimit: SMALL_BODY,
    connectionTimeout: IDLE_MS,
    // For a whole request, uploads at their slowest included.
    requestTimeout: LONGEST_REQUEST_MS,
    forceCloseConnections: 'idle',
    // Node would answer those without a Host header itself, and say nothing.
    http: { requireHostHeader: false },
    clientErrorHandler,
    frameworkErrors: answerError,
  })
  context.spans?.serve(app)
  const noted = noteRoutes(app)
  answerInTime(app)
  app.setErrorHandler(answerError)
  app.setNotFoundHandler(async () => {
    throw new ApiError(404, 'Not Found')
  })
  app.addHook('onSend', async (_request, reply) => {
    // As the original has it, and alike for what is streamed and what is not: JSON is UTF-8.
    if (reply.getHeader('content-type') === 'application/json; charset=utf-8')
      reply.header('content-type', 'application/json')
  })
  refuseStrangers(app, context.config)
  acceptForms(app)
  for (const { addRoutes } of apis) addRoutes(app, context)
  const document = documentOf(apis.map(({ paths }) => paths))
  app.get('/openapi.json', async () => document)
  return { app, routes: answerOtherMethods(app, noted) }
}

function isBelow({ errors }: Api, url: string): boolean {
  const [path = ''] = url.split('?')
  return errors !== undefined && (path === errors.below || path.startsWith(`${errors.below}/`))
}
