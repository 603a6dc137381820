/** The Distributed Cuckoo API (`cuckoosandbox/cuckoo:utils/dist.py`), and what we add to it. */
import { embedPage } from '@cuckoo-distributed/page'
import type { FastifyInstance } from 'fastify'
import { script, style } from '../generated/page.js'
import type { ServerContext } from '../server/context.js'
import { nodeRoutes } from './nodes.js'
import { operationRoutes } from './operations.js'
import { reportRoutes } from './reports.js'
import { statusRoutes } from './status.js'
import { taskRoutes } from './tasks.js'

export function distributedRoutes(app: FastifyInstance, context: ServerContext): void {
  nodeRoutes(app, context)
  taskRoutes(app, context)
  operationRoutes(app, context)
  reportRoutes(app, context)
  statusRoutes(app, context)
  const { headers, html } = embedPage('Distributed Cuckoo', { script, style })
  app.get('/', async (_request, reply) => reply.headers(headers).send(html))
}
