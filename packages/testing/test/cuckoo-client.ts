/** Plain clients for the tests of the Cuckoo stand-in; nothing of the project's own client is used. */
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type CuckooOptions, type CuckooStandIn, startCuckoo } from '../src/cuckoo/index.js'
import { waitFor } from '../src/wait-for.js'

/** A stand-in that ends with the test; analyses take a millisecond. */
export async function start(t: TestContext, options: CuckooOptions = {}): Promise<CuckooStandIn> {
  const cuckoo = await startCuckoo({ analysisTime: 1, ...options })
  t.after(() => cuckoo.close())
  return cuckoo
}

export async function reported(cuckoo: CuckooStandIn, id: number): Promise<void> {
  await waitFor(() => cuckoo.tasks.get(id)?.status === 'reported', { describe: `task ${id} to be reported` })
}

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** One request on a connection of its own. */
export function send(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: Buffer | string } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const request = httpRequest(url, { method, headers, agent: false }, async response => {
      try {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
      } catch (error: unknown) {
        reject(error)
      }
    })
    request.on('error', reject)
    request.end(body)
  })
}

export async function getJson(url: string): Promise<Record<string, unknown>> {
  return JSON.parse((await send(url)).body.toString())
}

export interface Upload {
  content?: Buffer | string
  /** The whole `Content-Disposition` parameters of the file part. */
  disposition?: string
  fields?: Record<string, string>
}

export const BOUNDARY = 'boundary-of-the-test'

/** A form as curl sends it. */
export function form({
  content = 'MZ sample',
  disposition = 'name="file"; filename="s.exe"',
  fields = {},
}: Upload): Buffer {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: application/octet-stream\r\n\r\n`
  return Buffer.concat([
    Buffer.from(parts.join('') + head),
    Buffer.from(content),
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ])
}

export const FORM_TYPE = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }

export function upload(url: string, options: Upload = {}): Promise<RawAnswer> {
  const body = form(options)
  const headers = { ...FORM_TYPE, 'content-length': String(body.length) }
  return send(`${url}/tasks/create/file`, { method: 'POST', headers, body })
}

/** Submits a file and returns its task's id. */
export async function create(url: string, options: Upload = {}): Promise<number> {
  return Number(JSON.parse((await upload(url, options)).body.toString()).task_id)
}

/** An open connection that has sent `text`. */
export async function open(url: string, text = ''): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  if (text !== '') socket.write(text)
  return socket
}

/** Everything the server sends until it closes the connection. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}
