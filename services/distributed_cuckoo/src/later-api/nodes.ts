/** `/api/node`: the Cuckoo nodes. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { DistributedConfig } from '../config.js'
import { machinesAt, refreshMachines, refusalOf } from '../nodes/machines-at.js'
import { UnfitNodeError } from '../nodes/trouble.js'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { type Fields, queryOf, readSwitch } from '../server/fields.js'
import { readFields } from '../server/form.js'
import { type ByName, checkedName, checkedUrl } from '../server/node-fields.js'
import type { Machine, Node } from '../store/model.js'

/** The one mode that has its nodes analyse; the others of the original are for nodes that get nothing. */
const MODE = 'normal'

export function nodeRoutes(app: FastifyInstance, context: ServerContext, base: string): void {
  const { config, store, wake } = context

  const list = async (request: FastifyRequest<ByName>, reply: FastifyReply) => {
    const { name } = request.params
    const nodes = (await store.nodes.list()).filter(node => name === undefined || node.name === name)
    if (queryOf(request).get('mode') === 'workers') {
      const names = nodes.filter(({ enabled }) => enabled).map(node => node.name)
      return reply.type('text/plain; charset=utf-8').send(names.sort().join(' '))
    }
    return { success: true, nodes: Object.fromEntries(nodes.map(node => [node.name, shownNode(node)])) }
  }
  app.get<ByName>(`${base}/node`, list)
  app.get<ByName>(`${base}/node/:name`, list)

  app.post(`${base}/node`, async request => {
    const fields = await readFields(request)
    const given = fields.get('name')
    if (!given) throw new ApiError(404, 'Missing node name')
    const [name, url] = [checkedName(given), readUrl(config, fields)]
    if (url === undefined) throw new ApiError(404, 'Missing IP address or direct URL')
    readMode(fields)
    if ((await store.nodes.get(name)) !== undefined) throw new ApiError(409, 'There is already a node with this name')
    const node = await store.nodes.register(name, url, await machinesOf(context, url))
    wake()
    return { success: true, machines: node.machines }
  })

  app.put<ByName>(`${base}/node/:name`, async request => {
    const fields = await readFields(request)
    const [name, url, enabled] = [fields.get('name'), readUrl(config, fields), readSwitch(fields, 'enabled')]
    const node = await store.nodes.update(request.params.name, {
      ...(name !== undefined && { name: checkedName(name) }),
      ...(url !== undefined && { url }),
      ...(enabled !== undefined && { enabled }),
    })
    if (node === undefined) throw noSuchNode()
    if (url !== undefined) void refreshMachines(context, node)
    wake()
    return { success: true }
  })

  app.post<ByName>(`${base}/node/:name/refresh`, async request => {
    const node = await store.nodes.get(request.params.name)
    if (node === undefined) throw noSuchNode()
    const machines = await machinesOf(context, node.url)
    await store.nodes.setMachines(node.id, machines)
    wake()
    return { success: true, machines }
  })

  app.delete<ByName>(`${base}/node/:name`, async request => {
    if ((await store.nodes.update(request.params.name, { enabled: false })) === undefined) throw noSuchNode()
    return { success: true }
  })
}

function shownNode({ name, url, enabled, machines }: Node) {
  return { name, url, enabled, mode: MODE, machines }
}

/** `url`, or that of the API of a Cuckoo at `ip`, which goes before it. @throws ApiError 400 */
function readUrl(config: DistributedConfig, fields: Fields): string | undefined {
  const [ip, url] = [fields.get('ip'), fields.get('url')]
  if (ip) return checkedUrl(config, `http://${ip.includes(':') ? `[${ip}]` : ip}:8090/`)
  return url ? checkedUrl(config, url) : undefined
}

function readMode(fields: Fields): void {
  if ((fields.get('mode') ?? MODE) !== MODE) throw new ApiError(400, `Parameter mode must be ${MODE}`)
}

async function machinesOf(context: ServerContext, url: string): Promise<Machine[]> {
  try {
    return await machinesAt(context, url)
  } catch (error: unknown) {
    if (!(error instanceof UnfitNodeError)) throw error
    throw new ApiError(404, `Error connecting to Cuckoo node: ${refusalOf(error, url)}`, { cause: error })
  }
}

function noSuchNode(): ApiError {
  return new ApiError(404, 'No such node')
}
