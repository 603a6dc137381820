/** `/node`: the Cuckoo nodes. */
import type { FastifyInstance } from 'fastify'
import { machinesAt, refreshMachines, refusalOf } from '../nodes/machines-at.js'
import { UnfitNodeError } from '../nodes/trouble.js'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { type Fields, queryOf, readCount, readSwitch } from '../server/fields.js'
import { readFields } from '../server/form.js'
import { type ByName, checkedName, checkedUrl } from '../server/node-fields.js'
import type { Machine, Node } from '../store/model.js'
import { purgeNode } from './purge.js'

/** More pending tasks than any node has. */
const MAX_LIMIT = 1_000_000

export function nodeRoutes(app: FastifyInstance, context: ServerContext): void {
  const { config, store } = context

  app.get('/node', async request => {
    const all = readSwitch(queryOf(request), 'all') ?? false
    const nodes = (await store.nodes.list()).filter(node => all || node.enabled)
    return { nodes: Object.fromEntries(nodes.map(node => [node.name, shownNode(node)])) }
  })

  app.post('/node', async request => {
    const fields = await readFields(request)
    const name = checkedName(required(fields, 'name'))
    const url = checkedUrl(config, required(fields, 'url'))
    const limit = readLimit(fields)
    const node = await store.nodes.register(name, url, await machinesOf(context, name, url))
    if (limit !== undefined) await store.nodes.update(name, { maxPending: limit })
    context.wake()
    return { name, machines: node.machines }
  })

  app.get<ByName>('/node/:name', async request => {
    const node = await store.nodes.get(request.params.name)
    if (node === undefined) throw notFound()
    return shownNode(node)
  })

  app.put<ByName>('/node/:name', async (request, reply) => {
    const fields = await readFields(request)
    const [name, url, enabled] = [fields.get('name'), fields.get('url'), readSwitch(fields, 'enabled')]
    const limit = readLimit(fields)
    const node = await store.nodes.update(request.params.name, {
      ...(name !== undefined && { name: checkedName(name) }),
      ...(url !== undefined && { url: checkedUrl(config, url) }),
      ...(enabled !== undefined && { enabled }),
      ...(limit !== undefined && { maxPending: limit }),
    })
    if (node === undefined) throw notFound()
    if (url !== undefined) void refreshMachines(context, node)
    context.wake()
    return reply.type('application/json').send('null')
  })

  app.post<ByName>('/node/:name/refresh', async request => {
    const node = await store.nodes.get(request.params.name)
    if (node === undefined) throw notFound()
    const machines = await machinesOf(context, node.name, node.url)
    await store.nodes.setMachines(node.id, machines)
    context.wake()
    return { name: node.name, machines }
  })

  app.post<ByName>('/node/:name/purge', async request => {
    const fields = await readFields(request)
    const purge = { fail: readSwitch(fields, 'fail') ?? false, forget: readSwitch(fields, 'forget') ?? false }
    const node = await store.nodes.update(request.params.name, { enabled: false })
    if (node === undefined) throw notFound()
    return { tasks: await purgeNode(context, node, purge), ...purge }
  })

  app.delete<ByName>('/node/:name', async (request, reply) => {
    const node = await store.nodes.update(request.params.name, { enabled: false })
    if (node === undefined) throw notFound()
    return reply.type('application/json').send('null')
  })
}

/** The observed state, as `enabled` qualifies it: a disabled node drains until it has no task of ours any more. */
export function statusOf(node: Node): string {
  if (node.enabled) return node.state
  return node.inFlight > 0 ? 'draining' : 'disabled'
}

function shownNode(node: Node) {
  const { name, url, machines, enabled, kind, maxPending } = node
  return { name, url, machines, enabled, status: statusOf(node), kind, max_pending: maxPending }
}

async function machinesOf(context: ServerContext, name: string, url: string): Promise<Machine[]> {
  try {
    return await machinesAt(context, url)
  } catch (error: unknown) {
    if (!(error instanceof UnfitNodeError)) throw error
    throw new ApiError(404, `Invalid Cuckoo node (${name}): ${refusalOf(error, url)}`, { cause: error })
  }
}

/** Null for an empty field, which takes the limit away. @throws ApiError 400 */
function readLimit(fields: Fields): number | null | undefined {
  if (fields.get('max_pending') === '') return null
  const limit = readCount(fields, 'max_pending')
  if (limit !== undefined && limit > MAX_LIMIT)
    throw new ApiError(400, `Parameter max_pending must be ${MAX_LIMIT} at most`)
  return limit
}

function required(fields: Fields, name: string): string {
  const value = fields.get(name)
  if (!value) throw new ApiError(400, `Missing required parameter ${name}`)
  return value
}

function notFound(): ApiError {
  return new ApiError(404, 'Node not found')
}
