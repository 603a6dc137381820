/**
 * The Distributed Cuckoo API of Cuckoo 2.0 (`cuckoosandbox/cuckoo:cuckoo/distributed/views/api.py`, 2.0.7). It is another than that of
 * `utils/dist.py`: answers say `success`, errors are 404 where that one says 400, and what is not finished yet is 420.
 */
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { nodeRoutes } from './nodes.js'
import { reportRoutes } from './reports.js'
import { statisticsRoutes } from './statistics.js'
import { statusRoutes } from './status.js'
import { taskRoutes } from './tasks.js'

/** Each resource below `/api` and below `/api/v1`. */
export function laterRoutes(app: FastifyInstance, context: ServerContext): void {
  for (const base of ['/api', '/api/v1']) {
    nodeRoutes(app, context, base)
    taskRoutes(app, context, base)
    reportRoutes(app, context, base)
    statusRoutes(app, context, base)
    statisticsRoutes(app, context, base)
  }
}
