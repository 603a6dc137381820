/** What operators do with tasks: change those that wait, and have failed ones tried again. */
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { queryOf, readCount, readInteger, readSwitch } from '../server/fields.js'
import { readFields } from '../server/form.js'
import { checkRequirement, readPin } from '../server/submission.js'
import { type ById, findTask, taskNotFound } from '../server/tasks.js'
import { pagesOf } from '../store/pages.js'
import type { TaskChanges } from '../store/store.js'
import { readFilter, readRange } from './task-filter.js'

/** Why a task cannot be tried again. */
const REFUSED = {
  'not-failed': 'The task has not failed',
  'sample-gone': 'The sample of the task is gone: it is kept with KeepSamples only',
  untidy: 'What the task has left is still being removed; try again',
} as const

/** Of one request, which is to be answered in time. */
const MAX_DELETED = 500

export function operationRoutes(app: FastifyInstance, context: ServerContext): void {
  const { store, janitor, wake } = context

  app.put<ById>('/task/:id', async (request, reply) => {
    const task = await findTask(context, request.params.id)
    const fields = await readFields(request)
    const priority = readInteger(fields, 'priority')
    const changes: TaskChanges = {
      ...(priority !== undefined && { priority }),
      ...(fields.has('tags') && { tags: fields.get('tags') || null }),
      ...(fields.has('node') && { pinNodeId: await readPin(store, fields) }),
    }
    checkRequirement({ ...task, ...changes })
    const outcome = await store.tasks.change(task.id, changes)
    if (outcome === 'unknown') throw taskNotFound()
    if (outcome === 'not-pending') throw new ApiError(409, 'The task is not pending any more')
    wake()
    return reply.type('application/json').send('null')
  })

  app.post<ById>('/task/:id/reschedule', async (request, reply) => {
    const { id } = await findTask(context, request.params.id)
    await janitor.removeObsolete()
    const outcome = await store.tasks.reschedule(id)
    if (outcome === 'unknown') throw taskNotFound()
    if (outcome !== 'pending') throw new ApiError(outcome === 'untidy' ? 503 : 409, REFUSED[outcome])
    wake()
    return reply.type('application/json').send('null')
  })

  app.post('/task/reschedule', async request => {
    const query = queryOf(request)
    const filter = { ...readFilter(query), states: ['failed'] } as const
    const isDry = readSwitch(query, 'dry_run') ?? false
    if (!isDry) await janitor.removeObsolete()
    const rescheduled: number[] = []
    const refused: Record<string, string> = {}
    for await (const tasks of pagesOf(store, filter, readRange(query))) {
      for (const { id, url, samplePath } of tasks) {
        const isGone = url === null && samplePath === null
        const outcome = isGone ? 'sample-gone' : isDry ? 'pending' : await store.tasks.reschedule(id)
        if (outcome === 'pending') rescheduled.push(id)
        else if (outcome !== 'unknown') refused[String(id)] = REFUSED[outcome]
      }
    }
    wake()
    return { tasks: rescheduled, refused, dry_run: isDry }
  })

  app.delete('/task', async request => {
    const query = queryOf(request)
    const filter = readFilter(query)
    // Without one it would be everything there is.
    if (Object.values(filter).every(value => value === undefined))
      throw new ApiError(400, 'Say which tasks by a filter')
    const [isDry, limit] = [readSwitch(query, 'dry_run') ?? false, readCount(query, 'limit') ?? MAX_DELETED]
    const [deleted, kept]: [number[], number[]] = [[], []]
    for await (const tasks of pagesOf(store, filter, {})) {
      for (const { id } of tasks) {
        if (deleted.length >= Math.min(limit, MAX_DELETED)) return { tasks: deleted, kept, dry_run: isDry }
        const isOver = await store.tasks.removeSettled(id, { isDry })
        const ids = isOver ? deleted : kept
        ids.push(id)
      }
    }
    return { tasks: deleted, kept, dry_run: isDry }
  })
}
