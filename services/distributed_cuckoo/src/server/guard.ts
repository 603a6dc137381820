/** Who may ask. */
import { guardPage, type Refusal } from '@cuckoo-distributed/page'
import type { FastifyInstance } from 'fastify'
import type { DistributedConfig } from '../config.js'
import { ApiError } from './errors.js'

const SAID: Readonly<Record<Refusal['reason'], string>> = {
  'no-host': 'The Host header is missing',
  'unknown-host': 'Unknown host name: add it to AllowedHosts, or set ApiToken',
  'foreign-page': 'Pages of other sites may not use this server',
  token: 'Unauthorized',
}

/** Refuses strangers and the pages of other origins; without a token, also requests to a name that is not known to be ours. */
export function refuseStrangers(app: FastifyInstance, { ApiToken, AllowedHosts, Host }: DistributedConfig): void {
  const refusalOf = guardPage({ token: ApiToken, hosts: ApiToken === '' ? [...AllowedHosts, Host] : 'any' })
  app.addHook('onRequest', async (request, reply) => {
    const refusal = refusalOf(request.raw)
    if (refusal === undefined) return
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer')
    throw new ApiError(refusal.status, SAID[refusal.reason])
  })
}
