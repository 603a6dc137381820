/** The HTTP server: its resources, and what is common to all of them. */
import { type FastifyInstance, fastify } from 'fastify'
import { cuckooRoutes } from '../cuckoo-api/routes.js'
import { demandToken } from './auth.js'
import type { ServerContext } from './context.js'
import { ApiError, errorHandler } from './errors.js'
import { acceptForms } from './form.js'
import { answerOtherMethods, noteRoutes, type RouteTable } from './methods.js'
import { nodeRoutes } from './node-routes.js'
import { openApi } from './openapi.js'
import { reportRoutes } from './report-routes.js'
import { statusPage } from './status-page.js'
import { statusRoutes } from './status-routes.js'
import { taskRoutes } from './task-routes.js'

/** Of bodies that are not streamed. */
const SMALL_BODY = 2 ** 20
/** Without a byte in either direction. */
const IDLE_MS = 60_000
/** For a whole request, uploads at their slowest included. */
const REQUEST_TIMEOUT_MS = 60 * 60_000

export interface Server {
  readonly app: FastifyInstance
  /** The resources with their methods, OPTIONS and refusals not counted. */
  readonly routes: RouteTable
}

/** Makes the server; it does not listen yet. */
export function createServer(context: ServerContext): Server {
  const app = fastify({
    bodyLimit: SMALL_BODY,
    connectionTimeout: IDLE_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
  })
  const noted = noteRoutes(app)
  app.setErrorHandler(errorHandler(context.log))
  app.setNotFoundHandler(async () => {
    throw new ApiError(404, 'Not Found')
  })
  demandToken(app, context.config.ApiToken)
  acceptForms(app)
  nodeRoutes(app, context)
  taskRoutes(app, context)
  reportRoutes(app, context)
  statusRoutes(app, context)
  cuckooRoutes(app, context)
  app.get('/', async (_request, reply) => reply.headers(statusPage.headers).send(statusPage.html))
  app.get('/openapi.json', async () => openApi)
  return { app, routes: answerOtherMethods(app, noted) }
}
