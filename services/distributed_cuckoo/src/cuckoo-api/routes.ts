/**
 * Cuckoo's own API in front of the whole cluster, so that any client of a Cuckoo can use it by its URL alone. Paths, fields and
 * answers are those of `cuckoosandbox/cuckoo:utils/api.py` and, where they have more, `cuckoosandbox/cuckoo:cuckoo/apps/api.py`, from
 * which the JSON errors are.
 */
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { fileRoutes } from './files.js'
import { memoryRoutes } from './memory.js'
import { reportRoutes } from './reports.js'
import { machinesJson, statusJson } from './status.js'
import { submissionRoutes } from './submit.js'
import { taskRoutes } from './tasks.js'

/** Each resource under its own path and under `/v1`, as in Cuckoo. */
export function cuckooRoutes(app: FastifyInstance, context: ServerContext): void {
  for (const version of ['', '/v1']) {
    submissionRoutes(app, context, version)
    taskRoutes(app, context, version)
    reportRoutes(app, context, version)
    memoryRoutes(app, context, version)
    fileRoutes(app, context, version)
    clusterRoutes(app, context, version)
  }
}

function clusterRoutes(app: FastifyInstance, context: ServerContext, version: string): void {
  app.get(`${version}/cuckoo/status`, () => statusJson(context))
  app.get(`${version}/machines/list`, async () => ({ machines: await machinesJson(context.store) }))
  app.get<{ Params: { name: string } }>(`${version}/machines/view/:name`, async request => {
    const machine = (await machinesJson(context.store)).find(({ name }) => name === request.params.name)
    if (machine === undefined) throw new ApiError(404, 'Machine not found')
    return { machine }
  })
}
