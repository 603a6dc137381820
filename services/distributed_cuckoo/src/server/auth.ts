/** The optional token of clients. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError } from './errors.js'

/**
 * Demands `Authorization: Bearer <token>` of every request. HTTP Basic with the token as password is as good: clients of Cuckoo's own
 * API keep their credentials in its URL. No token, no demand.
 */
export function demandToken(app: FastifyInstance, token: string): void {
  if (token === '') return
  const wanted = digest(token)
  app.addHook('onRequest', async (request, reply) => {
    if (isOpen(request)) return
    // Digests are of one length, so that the comparison takes as long whatever was sent.
    if (timingSafeEqual(digest(sentToken(request.headers.authorization)), wanted)) return
    reply.header('www-authenticate', 'Bearer')
    throw new ApiError(401, 'Unauthorized')
  })
}

/** Whether the request is for the page, which holds no data and does nothing: it asks for the token itself. */
export function isOpen({ method, url }: FastifyRequest): boolean {
  return method === 'GET' && url === '/'
}

function sentToken(authorization = ''): string {
  const [, scheme = '', credentials = ''] = /^(\S+) +(.+)$/.exec(authorization) ?? []
  if (scheme.toLowerCase() === 'bearer') return credentials
  if (scheme.toLowerCase() !== 'basic') return ''
  const pair = Buffer.from(credentials, 'base64').toString('utf8')
  return pair.slice(pair.indexOf(':') + 1)
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
