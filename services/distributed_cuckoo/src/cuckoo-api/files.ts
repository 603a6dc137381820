/** `/files`: samples by their digests. */
import { open } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { SANDBOXED, sendFile } from '../server/report.js'
import { type ById, findTask } from '../server/tasks.js'
import type { Task, TaskFilter } from '../store/model.js'
import { pagesOf } from '../store/pages.js'
import { sampleJson } from './task-json.js'

interface ByDigest {
  Params: { digest: string }
}

export function fileRoutes(app: FastifyInstance, context: ServerContext, version: string): void {
  app.get<ByDigest>(`${version}/files/view/md5/:digest`, request => {
    return viewJson(context, { md5: readDigest(request.params.digest, 32) })
  })
  app.get<ByDigest>(`${version}/files/view/sha256/:digest`, request => {
    return viewJson(context, { sha256: readDigest(request.params.digest, 64) })
  })
  app.get<ById>(`${version}/files/view/id/:id`, async request => {
    const { sha256 } = await findTask(context, request.params.id)
    if (sha256 === null) throw notFound()
    return viewJson(context, { sha256 })
  })

  app.get<ByDigest>(`${version}/files/get/:digest`, async (request, reply) => {
    const tasks = await tasksWith(context, { sha256: readDigest(request.params.digest, 64) })
    const path = tasks.find(({ samplePath }) => samplePath !== null)?.samplePath
    // Samples of finished tasks are removed, unless KeepSamples is on; this one may be gone by now as well.
    if (typeof path !== 'string') throw notFound()
    const { samples } = context.files
    samples.demandReadable()
    const file = await samples.ask(open(context.files.samplePath(path))).catch(async (error: unknown) => {
      await samples.check()
      throw new ApiError(404, 'File not found', { cause: error })
    })
    reply.headers({ ...SANDBOXED, 'content-type': 'application/octet-stream' })
    return sendFile(file, request, reply)
  })
}

async function viewJson(context: ServerContext, filter: TaskFilter) {
  const tasks = await tasksWith(context, filter)
  const [first] = tasks
  if (first === undefined) throw notFound()
  return { sample: { ...sampleJson(first), tasks: tasks.map(({ id }) => id) } }
}

async function tasksWith({ store }: ServerContext, filter: TaskFilter): Promise<Task[]> {
  const tasks: Task[] = []
  for await (const page of pagesOf(store, filter, {})) tasks.push(...page)
  return tasks
}

/** @throws ApiError 404 for what is no such digest. */
function readDigest(text: string, length: number): string {
  if (text.length !== length || !/^[0-9a-f]+$/i.test(text)) throw notFound()
  return text.toLowerCase()
}

function notFound(): ApiError {
  return new ApiError(404, 'File not found')
}
