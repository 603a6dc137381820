/** Answers to methods that a resource does not have: 405, and OPTIONS. */
import type { FastifyInstance } from 'fastify'
import { ApiError } from './errors.js'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** The methods of each path, as its routes are added. */
export type RouteTable = ReadonlyMap<string, ReadonlySet<string>>

/** Notes the routes that are added from now on. */
export function noteRoutes(app: FastifyInstance): RouteTable {
  const table = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = table.get(url) ?? new Set()
    for (const name of [method].flat()) methods.add(name)
    table.set(url, methods)
  })
  return table
}

/** To be called after the last route; returns the routes there were. */
export function answerOtherMethods(app: FastifyInstance, table: RouteTable): RouteTable {
  const routes = new Map([...table].map(([url, methods]) => [url, new Set(methods)]))
  for (const [url, known] of routes) {
    const allow = [...known, 'OPTIONS'].join(', ')
    app.options(url, async (_request, reply) => reply.header('allow', allow).send())
    app.route({
      url,
      method: METHODS.filter(method => !known.has(method)),
      handler: async (_request, reply) => {
        reply.header('allow', allow)
        throw new ApiError(405, 'Method Not Allowed')
      },
    })
  }
  return routes
}
