/** `/memory`: dumps of processes, where `memory` is one of the formats, each out of the archive that holds them all. */
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { type Place, placesIn } from '../files/dump-archive.js'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { openReport, SANDBOXED } from '../server/report.js'
import { type ById, findTask } from '../server/tasks.js'

const FORMAT = 'memory'

interface ByDump {
  Params: { id: string; name: string }
}

export function memoryRoutes(app: FastifyInstance, context: ServerContext, version: string): void {
  app.get<ById>(`${version}/memory/list/:id`, async request => {
    await using archive = await openDumps(context, request.params.id)
    const names: string[] = []
    for await (const { name } of placesIn(archive)) names.push(nameOf(name))
    // A ZIP of a CAPE is sent as a whole, as the format of the report.
    if (names.length === 0) throw notFound()
    return { dump_files: names }
  })

  app.get<ByDump>(`${version}/memory/get/:id/:name`, async (request, reply) => {
    const archive = await openDumps(context, request.params.id)
    let isSent = false
    try {
      const { offset, size } = await find(archive, request.params.name)
      reply.headers({ ...SANDBOXED, 'content-type': 'application/octet-stream', 'content-length': size })
      isSent = request.method !== 'HEAD' && size > 0 && !reply.sent
      // Of an empty stream a HEAD keeps its length.
      return reply.send(
        isSent ? archive.createReadStream({ start: offset, end: offset + size - 1 }) : Readable.from([]),
      )
    } finally {
      if (!isSent) await archive.close()
    }
  })
}

async function openDumps(context: ServerContext, id: string): Promise<FileHandle> {
  const task = await findTask(context, id)
  if (task.state !== 'finished' || !context.config.ReportFormats.includes(FORMAT)) throw notFound()
  return openReport(context, task, FORMAT).catch((error: unknown) => {
    throw error instanceof ApiError && error.status === 404 ? notFound() : error
  })
}

async function find(archive: FileHandle, name: string): Promise<Place> {
  for await (const place of placesIn(archive)) if (nameOf(place.name) === name) return place
  throw notFound()
}

function nameOf(file: string): string {
  return file.replace(/\.dmp$/, '')
}

function notFound(): ApiError {
  return new ApiError(404, 'Memory dump not found')
}
