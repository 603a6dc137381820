/** `/api/task` and `/api/tasks`: submissions and what became of them. */
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { type Fields, queryOf, readCount, readInteger, readSwitch } from '../server/fields.js'
import { readFields } from '../server/form.js'
import { newTask, readPin, readTaskOptions, receiveTasks } from '../server/submission.js'
import { type ById, findTask, readTaskId, removeIfThere, taskNotFound, tasksDocument, tidyUp } from '../server/tasks.js'
import type { Submission } from '../server/upload.js'
import type { NewTask, TaskFilter, TaskState } from '../store/model.js'
import { pagesOf } from '../store/pages.js'
import { statesCalled, taskJson } from './task-json.js'

const OPTIONS = { defaultPlatform: null, emptyNumbers: 'absent' } as const

/** Of one `DELETE /api/tasks`, which is to be answered in time. */
const MAX_DELETED = 500

export function taskRoutes(app: FastifyInstance, context: ServerContext, base: string): void {
  const { store } = context

  app.get(`${base}/task`, async (request, reply) => {
    const query = queryOf(request)
    const range = { limit: readCount(query, 'limit'), offset: readCount(query, 'offset') }
    const pages = pagesOf(store, readFilter(query), range)
    return reply
      .type('application/json')
      .send(Readable.from(tasksDocument('{"success":true,"tasks":{', pages, taskJson)))
  })

  app.post(`${base}/task`, async request => {
    const makeTasks = async (submission: Submission) => [await readNewTask(context, submission)]
    const [id] = await receiveTasks(request, context, { parts: ['file'], maxFiles: 1, makeTasks })
    return { success: true, task_id: id }
  })

  app.get<ById>(`${base}/task/:id`, async request => {
    const task = await findTask(context, request.params.id)
    return { success: true, tasks: { [String(task.id)]: taskJson(task) } }
  })

  app.delete<ById>(`${base}/task/:id`, async ({ params }) => {
    const id = readTaskId(params.id)
    if (id === undefined) throw taskNotFound()
    if (await removeIfThere(context, id)) return { success: true }
    // As in the original, a task that was deleted before is no error.
    if (await store.tasks.wasGiven(id)) return { success: false }
    throw taskNotFound()
  })

  // As in the original, those that there are not are no error.
  app.delete(`${base}/tasks`, async request => {
    for (const id of readIds(await readFields(request))) await store.tasks.remove(id)
    await tidyUp(context)
    return { success: true }
  })
}

async function readNewTask({ store }: ServerContext, { fields, files: [file] }: Submission): Promise<NewTask> {
  const url = fields.get('url')
  if (file?.sample.size === 0) throw new ApiError(404, 'Provided file is empty')
  if (file === undefined && !url) throw new ApiError(404, 'No file has been provided')
  const options = { ...readTaskOptions(fields, OPTIONS), pinNodeId: await readPin(store, fields) }
  return newTask(options, file ?? url ?? '')
}

/** @throws ApiError 400 */
function readFilter(query: Fields): TaskFilter {
  const [status, finished] = [query.get('status'), readSwitch(query, 'finished')]
  if (status !== undefined && finished !== undefined) {
    throw new ApiError(400, 'Do not combine finished and status. Finished has been deprecated.')
  }
  return {
    states: status === undefined ? undefined : readStates(status),
    finished,
    owner: query.get('owner') || undefined,
    priority: query.get('priority') ? readInteger(query, 'priority') : undefined,
  }
}

function readStates(status: string): TaskState[] {
  const states = statesCalled(status)
  if (states !== undefined) return states
  throw new ApiError(400, 'Parameter status must be pending, assigned, processing, finished or deleted')
}

/** @throws ApiError 400 */
function readIds(fields: Fields): number[] {
  const words = (fields.get('task_ids') ?? '').split(/\s+/).filter(word => word !== '')
  const ids = words.map(word => (/^\d{1,15}$/.test(word) ? Number(word) : undefined))
  const wrong = words.find((_word, index) => ids[index] === undefined)
  if (wrong !== undefined) throw new ApiError(400, `Parameter task_ids: '${wrong.slice(0, 100)}' is not an id`)
  if (ids.length > MAX_DELETED) throw new ApiError(400, `Parameter task_ids has more than ${MAX_DELETED} ids`)
  return ids.flatMap(id => id ?? [])
}
