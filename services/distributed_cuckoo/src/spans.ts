/** What a collector of traces is told, if there is one: requests, and what is done with tasks afterwards. */
import type { Activities } from '@cuckoo-distributed/core'
import type { FastifyInstance } from 'fastify'

/** Tasks whose uploads are remembered. Another server, or this one after a restart, knows none: what it does is found by the task's number. */
const MOST_UPLOADS = 10_000

export class Spans {
  readonly #activities: Activities
  /** `traceparent` of the upload, by task. */
  readonly #uploads = new Map<number, string>()

  constructor(activities: Activities) {
    this.#activities = activities
  }

  /** Has each request be a span, from its headers to the end of its answer. */
  serve(app: FastifyInstance): void {
    app.addHook('onRequest', (request, reply, next) => {
      const { method, headers, routeOptions } = request
      const route = routeOptions.url
      const running = this.#activities.begin({
        name: route === undefined ? method : `${method} ${route}`,
        request: headers,
        attributes: {
          'http.request.method': method,
          'url.path': request.url.split('?', 1)[0] ?? '',
          ...(route !== undefined && { 'http.route': route }),
        },
      })
      reply.raw.once('close', () => running.end({ status: reply.statusCode }))
      running.run(next)
    })
  }

  /** The request that is being answered has made this task. */
  created(task: number): void {
    const { current } = this.#activities
    if (current === undefined) return
    const [oldest] = this.#uploads.keys()
    if (oldest !== undefined && this.#uploads.size >= MOST_UPLOADS) this.#uploads.delete(oldest)
    this.#uploads.set(task, current)
  }

  /** Settles as `work` does. */
  async around<T>(name: 'send' | 'fetch', about: { task: number; node: string }, work: () => Promise<T>): Promise<T> {
    const { task, node } = about
    const attributes = { 'cuckoo_distributed.task_id': task, 'cuckoo_distributed.node': node }
    const running = this.#activities.begin({ name: `${name} task`, follows: this.#uploads.get(task), attributes })
    try {
      const result = await running.run(work)
      running.end({})
      return result
    } catch (error: unknown) {
      running.end({ error })
      throw error
    }
  }
}
