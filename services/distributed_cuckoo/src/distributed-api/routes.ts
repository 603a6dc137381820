/** The Distributed Cuckoo API (`cuckoosandbox/cuckoo:utils/dist.py`), and what we add to it. */
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { nodeRoutes } from './nodes.js'
import { operationRoutes } from './operations.js'
import { reportRoutes } from './reports.js'
import { statusRoutes } from './status.js'
import { statusPage } from './status-page.js'
import { taskRoutes } from './tasks.js'

export function distributedRoutes(app: FastifyInstance, context: ServerContext): void {
  nodeRoutes(app, context)
  taskRoutes(app, context)
  operationRoutes(app, context)
  reportRoutes(app, context)
  statusRoutes(app, context)
  app.get('/', async (_request, reply) => reply.headers(statusPage.headers).send(statusPage.html))
}
