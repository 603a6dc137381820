/** A node of which a test decides every answer; `CuckooStandIn` is the one that behaves like the real thing. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { multipartBoundary, readMultipart } from '@cuckoo-distributed/testing'

export interface NodeCall {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  /** Form fields of a submission; of its file the name it was sent under, and as `sha256` the digest of what was sent. */
  readonly fields: ReadonlyMap<string, string>
}

export interface NodeTask {
  status: string
  readonly custom: string
  readonly sample: { readonly sha256: string } | null
  readonly errors: string[]
}

type Answer = readonly [status: number, body: string | Buffer]

const MACHINES = [
  { id: 1, name: 'cuckoo1', platform: 'windows', tags: ['xp', 'office'], label: 'cuckoo1', locked: false },
  { id: 2, name: 'cuckoo2', platform: 'windows', tags: null },
]

export class FakeNode {
  readonly calls: NodeCall[] = []
  readonly tasks = new Map<number, NodeTask>()
  /** By format; what is missing is answered with 404. */
  readonly reports = new Map<string, string | Buffer>([
    ['json', '{"info": {"id": 1}}'],
    ['dropped', 'BZh'],
  ])
  /** Overrides the answer to a path; `hang` never answers. */
  readonly answers = new Map<string, Answer | 'hang'>()
  /** Called when a task was deleted. */
  onDelete: (() => void) | undefined
  /** Open at this moment. */
  connections = 0
  /** Called when a task was made. */
  afterCreate: (() => void) | undefined
  /** The next task that is made is answered with 500. */
  loseNext = false
  /** Paths whose answers have a megabyte to come, and drip. */
  readonly drips = new Set<string>()
  machines: readonly object[] = MACHINES
  instance: string | undefined
  /** Of all tasks. */
  tags: readonly string[] = []
  /** The state that a new task gets. */
  newStatus = 'pending'
  token: string | undefined
  readonly #server: Server
  #lastId = 0
  #port = 0

  /** @internal Use `startFakeNode`. */
  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.on('connection', socket => {
      this.connections += 1
      socket.on('close', () => {
        this.connections -= 1
      })
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`
  }

  /** Paths of the calls so far, with their methods. */
  paths(): string[] {
    return this.calls.map(call => `${call.method} ${call.path}`)
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    this.#port = typeof address === 'object' && address !== null ? address.port : 0
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', this.url).pathname
    const fields = await readForm(request)
    const { authorization } = request.headers
    this.calls.push({ method: request.method ?? '', path, authorization, fields })
    const scripted = this.answers.get(path)
    if (scripted === 'hang') return
    if (this.drips.has(path)) return drip(response)
    const allowed = this.token === undefined || authorization === `Bearer ${this.token}`
    const [status, body] = scripted ?? (allowed ? this.#answer(path.replace(/^\/prefix/, ''), fields) : [401, '{}'])
    response.writeHead(status, { connection: 'close', 'content-length': Buffer.byteLength(body) }).end(body)
  }

  #answer(path: string, fields: ReadonlyMap<string, string>): Answer {
    const [, kind = '', verb = '', id = '', format = 'json'] = path.split('/')
    if (path === '/machines/list') return json({ machines: this.machines })
    if (path === '/cuckoo/status') return json(this.#status())
    if (path === '/tasks/list') return json({ tasks: [...this.tasks.keys()].map(key => this.#row(key)) })
    if (path.startsWith('/tasks/create/')) {
      this.#lastId += 1
      const taskId = this.#lastId
      const sha256 = fields.get('sha256')
      const sample = sha256 === undefined ? null : { sha256 }
      this.tasks.set(taskId, { status: this.newStatus, custom: fields.get('custom') ?? '', sample, errors: [] })
      this.afterCreate?.()
      const isLost = this.loseNext
      this.loseNext = false
      return isLost ? [500, '<html>'] : json({ task_id: taskId })
    }
    const task = this.tasks.get(Number(id))
    if (kind !== 'tasks' || task === undefined) return [404, '<html>not found</html>']
    if (verb === 'view') return json({ task: this.#row(Number(id)) })
    if (verb === 'delete') return this.#delete(Number(id))
    const report = this.reports.get(format)
    return report === undefined ? [404, '{"message": "Report not found"}'] : [200, report]
  }

  #delete(id: number): Answer {
    if (this.tasks.get(id)?.status === 'running') {
      return [500, '{"message": "The task is currently being processed, cannot delete"}']
    }
    this.tasks.delete(id)
    this.onDelete?.()
    return json({ status: 'OK' })
  }

  #row(id: number) {
    return { id, completed_on: null, tags: this.tags, unknown: { key: [1] }, ...this.tasks.get(id) }
  }

  #status() {
    const count = (status: string) => [...this.tasks.values()].filter(task => task.status === status).length
    return {
      version: '1.2',
      instance: this.instance,
      tasks: {
        total: this.tasks.size,
        pending: count('pending'),
        running: count('running'),
        completed: count('completed'),
        reported: count('reported'),
      },
      machines: { total: 2, available: 2 },
    }
  }
}

/** Starts a node; the caller closes it. */
export async function startFakeNode(): Promise<FakeNode> {
  const node = new FakeNode()
  await node.listen()
  return node
}

function drip(response: ServerResponse): void {
  response.writeHead(200, { connection: 'close', 'content-length': 2 ** 20 })
  const timer = setInterval(() => response.write(' '), 20)
  response.on('close', () => clearInterval(timer))
}

function json(value: unknown): Answer {
  return [200, JSON.stringify(value)]
}

async function readForm(request: IncomingMessage): Promise<Map<string, string>> {
  const fields = new Map<string, string>()
  const type = request.headers['content-type'] ?? ''
  const boundary = type === '' ? undefined : multipartBoundary(type)
  if (boundary === undefined) {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    for (const [name, value] of new URLSearchParams(Buffer.concat(chunks).toString())) fields.set(name, value)
    return fields
  }
  for await (const part of readMultipart(request, boundary)) {
    const chunks: Buffer[] = []
    for await (const chunk of part.body) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    fields.set(part.name, part.filename ?? bytes.toString())
    if (part.filename !== undefined) fields.set('sha256', createHash('sha256').update(bytes).digest('hex'))
  }
  return fields
}
