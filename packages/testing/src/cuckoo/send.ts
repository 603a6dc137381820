/** Sends answers as HTTP/1.0, and notes in the journal what went over the wire. */
import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { type Answer, reasonOf } from './answer.js'
import type { Body } from './body.js'
import type { Flavour } from './flavour.js'

/** One request, in the order in which they were read. */
export interface CuckooRequest {
  readonly method: string
  /** With `/v1` and query, as sent. */
  readonly path: string
  /** 0 until the answer's head is written, and for requests that got none. */
  status: number
  /** Bytes of the request's body. */
  received: number
  /** Bytes of the answer's body. */
  sent: number
}

export interface SendOptions {
  readonly entry: CuckooRequest
  /** Bytes of the body after which the connection is cut; Infinity sends it all. */
  readonly limit: number
  /** Milliseconds after each single byte of the body; 0 sends it as it is. */
  readonly everyMs: number
}

/**
 * Writes to the socket by hand: Node's own answers are HTTP/1.1, Cuckoo's servers speak HTTP/1.0 and close afterwards.
 * Rejects when the client goes away or the body's stream fails.
 */
export async function sendAnswer(
  request: IncomingMessage,
  answer: Answer,
  flavour: Flavour,
  { entry, limit, everyMs }: SendOptions,
): Promise<void> {
  const { socket } = request
  const lines = [
    `HTTP/1.0 ${answer.status} ${reasonOf(flavour, answer.status)}`,
    `Date: ${new Date().toUTCString()}`,
    ...Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${answer.body.bytes}`,
  ]
  entry.status = answer.status
  await write(socket, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'))
  if (request.method !== 'HEAD') {
    const body = firstBytes(answer.body, limit)
    for await (const chunk of everyMs > 0 ? dripping(body, everyMs) : body) {
      entry.sent += chunk.length
      await write(socket, chunk)
    }
  }
  socket.destroySoon()
}

async function* firstBytes(body: Body, limit: number): AsyncGenerator<Buffer> {
  let left = limit
  for await (const chunk of body.stream()) {
    if (chunk.length > left) {
      yield chunk.subarray(0, left)
      return
    }
    left -= chunk.length
    yield chunk
  }
}

async function* dripping(chunks: AsyncIterable<Buffer>, everyMs: number): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    for (const byte of chunk) {
      yield Buffer.of(byte)
      await delay(everyMs)
    }
  }
}

function write(socket: IncomingMessage['socket'], chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => socket.write(chunk, error => (error ? reject(error) : resolve())))
}
