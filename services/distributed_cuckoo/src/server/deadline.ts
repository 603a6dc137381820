/** Answers in time, whatever the database does: a client that waits longer takes this server for gone. */
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { FastifyInstance } from 'fastify'
import { StoreLostError } from '../store/errors.js'

/** From the request to the answer; of what a client sends, from its end. */
const ANSWER_MS = 9000

/** Resolves as `work` does. Rejects with StoreLostError when that takes too long; it is not known then what becomes of it. */
export async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = new StoreLostError('the database takes too long', { isDoubtful: true })
  using limit = timeLimit(new AbortController().signal, ANSWER_MS, late)
  return await orAbort(work, limit.signal)
}

/** Has all routes answer in time, but those that receive a body or ask a node: they bound what they do themselves. */
export function answerInTime(app: FastifyInstance): void {
  app.addHook('onRoute', route => {
    if ([route.method].flat().includes('POST')) return
    const { handler } = route
    route.handler = function (request, reply) {
      return inTime(Promise.resolve(handler.call(this, request, reply)))
    }
  })
}
