/** `/node`: the Cuckoo nodes. */
import type { FastifyInstance } from 'fastify'
import { inspectNode } from '../nodes/inspect-node.js'
import { UnfitNodeError } from '../nodes/trouble.js'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { type Fields, queryOf, readSwitch } from '../server/fields.js'
import { readFields } from '../server/form.js'
import type { Machine, Node } from '../store/model.js'
import { purgeNode } from './purge.js'

const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/

interface ByName {
  Params: { name: string }
}

export function nodeRoutes(app: FastifyInstance, context: ServerContext): void {
  const { store } = context

  app.get('/node', async request => {
    const all = readSwitch(queryOf(request), 'all') ?? false
    const nodes = (await store.nodes.list()).filter(node => all || node.enabled)
    return { nodes: Object.fromEntries(nodes.map(node => [node.name, shownNode(node)])) }
  })

  app.post('/node', async request => {
    const fields = await readFields(request)
    const name = checkedName(required(fields, 'name'))
    const url = checkedUrl(required(fields, 'url'))
    const node = await store.nodes.register(name, url, await machinesOf(context, name, url))
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
    const node = await store.nodes.update(request.params.name, {
      ...(name !== undefined && { name: checkedName(name) }),
      ...(url !== undefined && { url: checkedUrl(url) }),
      ...(enabled !== undefined && { enabled }),
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
  const { name, url, machines, enabled, kind } = node
  return { name, url, machines, enabled, status: statusOf(node), kind }
}

async function machinesOf({ config, store, closing }: ServerContext, name: string, url: string): Promise<Machine[]> {
  try {
    return await inspectNode({ config, storeId: store.id, url }, closing)
  } catch (error: unknown) {
    if (!(error instanceof UnfitNodeError)) throw error
    throw new ApiError(404, `Invalid Cuckoo node (${name}): ${error.message}`, { cause: error })
  }
}

/** A node with a new URL may be down; it keeps the machines it had then, and the PUT has succeeded anyway. */
async function refreshMachines({ config, store, closing, log }: ServerContext, { id, name, url }: Node): Promise<void> {
  try {
    await store.nodes.setMachines(id, await inspectNode({ config, storeId: store.id, url }, closing))
  } catch (error: unknown) {
    if (closing.aborted) return
    log.warn({ node: name, err: error }, 'the machines of a node with a new url could not be read')
  }
}

function required(fields: Fields, name: string): string {
  const value = fields.get(name)
  if (!value) throw new ApiError(400, `Missing required parameter ${name}`)
  return value
}

function checkedName(name: string): string {
  if (NAME.test(name)) return name
  throw new ApiError(400, 'Parameter name must be 1 to 64 letters, digits, dots, hyphens and underscores')
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new ApiError(400, 'Parameter url must begin with http:// or https://')
  }
  if (url.username || url.password || url.search || url.hash || text.length > 2048) {
    throw new ApiError(400, 'Parameter url must have no user name, password, query or fragment')
  }
  return text
}

function notFound(): ApiError {
  return new ApiError(404, 'Node not found')
}
