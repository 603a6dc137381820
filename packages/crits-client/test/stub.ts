/** A CRITs that answers as a test tells it and keeps what it was sent. */

import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type CritsClient, CritsServer, type CritsTarget } from '../src/index.js'

export interface StubRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** The parts of a multipart body; of the file its content. */
  readonly fields: Readonly<Record<string, string>>
  /** Name of the file part, as sent. */
  readonly filename: string | undefined
}

export interface StubAnswer {
  readonly status?: number
  readonly headers?: Record<string, string>
  /** An object is sent as JSON; no body at all with `drop`. */
  readonly body?: string | Buffer | object
  /** Cuts the connection instead of answering. */
  readonly drop?: true
}

export const OK: StubAnswer = { body: { return_code: 0, message: '', id: 'object-1', type: 'Sample' } }

export const TARGET: CritsTarget = {
  username: 'älice',
  apiKey: 'f00dcafe'.repeat(5),
  objectType: 'Sample',
  objectId: '56686f0e1d41c8731f5e8a01',
  analysisId: '2f1c4a52-6f0e-4a53-9a3e-0d6a3c9a7b11',
}

export interface Stub {
  readonly url: string
  readonly server: CritsServer
  readonly client: CritsClient
  readonly requests: readonly StubRequest[]
}

/** Probes are answered with 405, everything else by `answer`. */
export async function startStub(
  t: TestContext,
  answer: (request: StubRequest) => StubAnswer | Promise<StubAnswer>,
  options: { readonly pauseMs?: number; readonly target?: Partial<CritsTarget> } = {},
): Promise<Stub> {
  const requests: StubRequest[] = []
  const http = createServer(async (incoming, response) => {
    const request = await read(incoming)
    const isProbe = request.method === 'GET' && request.path === '/api/v1/services/'
    if (!isProbe) requests.push(request)
    const { status = 200, headers, body = '', drop } = isProbe ? { status: 405 } : await answer(request)
    if (drop) return incoming.socket.destroy()
    const isJson = typeof body === 'object' && !Buffer.isBuffer(body)
    response.writeHead(status, { 'content-type': isJson ? 'application/json' : 'text/html; charset=utf-8', ...headers })
    return response.end(isJson ? JSON.stringify(body) : body)
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const server = new CritsServer({ baseUrl: new URL(url), verifySsl: true, pauseMs: options.pauseMs })
  t.after(async () => {
    await server[Symbol.asyncDispose]()
    http.closeAllConnections()
    await new Promise(resolve => http.close(resolve))
  })
  return { url, server, client: server.client({ ...TARGET, ...options.target }), requests }
}

/** A CRITs that keeps its first caller waiting. */
export async function startHolding(t: TestContext) {
  let answerFirst = () => {}
  const held = new Promise<void>(resolve => {
    answerFirst = resolve
  })
  const { client, ...stub } = await startStub(t, async () => {
    if (stub.requests.length === 1) await held
    return OK
  })
  return { ...stub, first: client, answerFirst }
}

async function read(incoming: IncomingMessage): Promise<StubRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const { method = '', url: path = '', headers } = incoming
  const boundary = /boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1]
  const fields: Record<string, string> = {}
  let filename: string | undefined
  for (const part of boundary ? body.toString('utf8').split(`--${boundary}`).slice(1, -1) : []) {
    const end = part.indexOf('\r\n\r\n')
    fields[/ name="([^"]*)"/.exec(part)?.[1] ?? ''] = part.slice(end + 4, -2)
    filename ??= / filename="([^"]*)"/.exec(part.slice(0, end))?.[1]
  }
  return { method, path, headers, body, fields, filename }
}
