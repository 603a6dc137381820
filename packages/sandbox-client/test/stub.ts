/** A server that gives the answers of one test, in order, and keeps what it was asked. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { TestContext } from 'node:test'
import { CuckooClient } from '../src/index.js'

export interface Answer {
  readonly status?: number
  readonly type?: string
  readonly body?: string | Buffer | object
  /** What is announced in place of the length of the body. */
  readonly length?: number
  /** Breaks the connection instead of answering. */
  readonly cut?: true
}

export interface Received {
  readonly line: string
  readonly connection: string | undefined
  readonly form: FormData | undefined
}

/** Starts a server that ends with the test; an answer too few is answered with 599. */
export async function stub(t: TestContext, ...answers: readonly Answer[]) {
  const received: Received[] = []
  const left = [...answers]
  const server = createServer(async (request, response) => {
    const bytes = await readAll(request)
    if (bytes === undefined) return
    const { connection, 'content-type': type } = request.headers
    const headers = { 'content-type': type ?? '' }
    const form = type === undefined ? undefined : await new Response(bytes, { headers }).formData()
    received.push({ line: `${request.method} ${request.url}`, connection, form })
    const answer = left.shift() ?? { status: 599 }
    if (answer.cut) {
      request.socket.resetAndDestroy()
      return
    }
    const { body = '' } = answer
    const content = Buffer.from(
      typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body, undefined, 4),
    )
    response.writeHead(answer.status ?? 200, {
      'content-type': answer.type ?? 'application/json',
      'content-length': answer.length ?? content.length,
    })
    if (answer.length === undefined) response.end(content)
    else response.write(content)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const url = `http://127.0.0.1:${address.port}`
  const client = new CuckooClient({ baseUrl: new URL(url), verifySsl: true, maxConnections: 1 })
  t.after(async () => {
    await client[Symbol.asyncDispose]()
    server.close()
    server.closeAllConnections()
  })
  return { client, received, url }
}

/** The body, or undefined when the client gave it up. */
async function readAll(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {})
  await new Promise(resolve => request.once('close', resolve).once('end', resolve))
  return request.complete ? Buffer.concat(chunks) : undefined
}

/** An error page of Cuckoo 1.2 (bottle 0.12.8). */
export function bottlePage(status: string, reason: string): Answer {
  return {
    status: Number.parseInt(status, 10),
    type: 'text/html; charset=UTF-8',
    body: `
    <!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
    <html>
        <head>
            <title>Error: ${status}</title>
            <style type="text/css">
              html {background-color: #eee; font-family: sans;}
              pre {background-color: #eee; border: 1px solid #ddd; padding: 5px;}
            </style>
        </head>
        <body>
            <h1>Error: ${status}</h1>
            <p>Sorry, the requested URL <tt>&#039;http://${'long-host-name.'.repeat(15)}:8090/tasks/delete/29&#039;</tt>
               caused an error:</p>
            <pre>${reason}</pre>
        </body>
    </html>
`,
  }
}

/** An error page of Cuckoo 2.0 for what its API does not answer itself (Flask 0.12). */
export function flaskPage(status: number, name: string): Answer {
  return {
    status,
    type: 'text/html',
    body: `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<title>${status} ${name}</title>\n<h1>${name}</h1>\n`,
  }
}
