// Scripted faults for stand-in servers: which request fails, how, how often; and whole outages on the same port.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Server, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { reset } from './reset.js'

/** What happens to a request instead of, before or after its normal answer. */
export type HttpFault =
  /** The body is read and dropped, then this status is answered; nothing is stored. `headers` e.g. `{'retry-after': '2'}`. */
  | { kind: 'status'; status: number; headers?: Record<string, string>; body?: string }
  /** As `status`, but a 200 with an HTML page: a login page or a proxy's error page. */
  | { kind: 'html200' }
  /** Waits `milliseconds`, then serves the request as always. */
  | { kind: 'slow'; milliseconds: number }
  /** Reads the body and never answers; the connection stays open until the server goes down or is closed. */
  | { kind: 'hang' }
  /** The body is read and dropped, then a JSON answer with this status is begun, and the connection is cut in the middle. */
  | { kind: 'cutError'; status: number }
  /** The request is served and its effects are kept, but the connection is cut before the answer. */
  | { kind: 'lostAfterStore' }
  /** The connection is reset after `afterBytes` bytes of the body (default 1); nothing is stored. */
  | { kind: 'resetMidUpload'; afterBytes?: number }
  /** The connection is cut as soon as the request line and headers are read. For a refused connection see `Outage`. */
  | { kind: 'refuse' }

/** When a fault applies. All conditions that are given must hold. */
export interface FaultMatch {
  method?: string
  /** A string must equal the path without query; a RegExp is tested against it. */
  path?: string | RegExp
  /** The first request that fails, counted from 1 among those that match since the rule was added. Default 1. */
  nth?: number
}

/** A fault with its condition. It is used up after `times` requests (default 1; `Infinity` until `clear`). */
export type FaultRule<F = HttpFault> = F & { match?: FaultMatch; times?: number }

/**
 * The faults of one stand-in. Rules are tried in the order they were added and the first one that matches is used.
 * A stand-in with kinds of its own uses `FaultScript<HttpFault | MyFault>`.
 */
export class FaultScript<F extends { kind: string } = HttpFault> {
  #rules: { fault: FaultRule<F>; seen: number; left: number }[] = []

  /** Adds a rule for requests to come. */
  next(fault: FaultRule<F>): void {
    this.#rules.push({ fault, seen: 0, left: fault.times ?? 1 })
  }

  /** Removes all rules. */
  clear(): void {
    this.#rules = []
  }

  /** How many requests are still to fail; 0 tells a test that everything it scripted has happened. */
  get pending(): number {
    return this.#rules.reduce((sum, rule) => sum + rule.left, 0)
  }

  /** Called by the stand-in once for each request; uses up one of the matching rule's `times`. */
  take(method: string, path: string): FaultRule<F> | undefined {
    let chosen: FaultRule<F> | undefined
    for (const rule of this.#rules) {
      if (!matches(rule.fault.match, method, path)) continue
      rule.seen++
      if (chosen !== undefined || rule.seen < (rule.fault.match?.nth ?? 1)) continue
      rule.left--
      chosen = rule.fault
    }
    this.#rules = this.#rules.filter(rule => rule.left > 0)
    return chosen
  }
}

function matches(match: FaultMatch | undefined, method: string, path: string): boolean {
  if (match?.method !== undefined && match.method !== method) return false
  if (match?.path === undefined) return true
  return typeof match.path === 'string' ? match.path === path : match.path.test(path)
}

/**
 * Does what `fault` asks before a request is served. Returns `serve` when the request is to be served now
 * (no fault, `slow` after its wait, `lostAfterStore`, kinds of the stand-in's own) and `over` when it has been dealt with.
 * After serving a `lostAfterStore` the stand-in destroys `response.socket` instead of sending the answer.
 * Rejects with `signal.reason` when the stand-in closes during a wait.
 */
export async function playFault(
  fault: { kind: string } | HttpFault | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<'serve' | 'over'> {
  if (fault === undefined || !isHttpFault(fault)) return 'serve'
  switch (fault.kind) {
    case 'lostAfterStore':
      return 'serve'
    case 'slow':
      await delay(fault.milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted())
      return 'serve'
    case 'refuse':
      request.socket.destroy()
      return 'over'
    case 'resetMidUpload':
      await skip(request, fault.afterBytes ?? 1)
      reset(request.socket)
      return 'over'
    case 'hang':
      await skip(request, Number.POSITIVE_INFINITY)
      return 'over'
    case 'cutError':
      await skip(request, Number.POSITIVE_INFINITY)
      response.writeHead(fault.status, { 'content-type': 'application/json', 'content-length': 100 })
      response.write('{"error_message": ', () => request.socket.destroy())
      return 'over'
    case 'html200':
    case 'status':
      await skip(request, Number.POSITIVE_INFINITY)
      answerStatus(fault, response)
      return 'over'
  }
}

const KINDS = new Set(['status', 'html200', 'slow', 'hang', 'lostAfterStore', 'resetMidUpload', 'refuse', 'cutError'])

function isHttpFault(fault: { kind: string }): fault is HttpFault {
  return KINDS.has(fault.kind)
}

async function skip(request: IncomingMessage, bytes: number): Promise<void> {
  let seen = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    seen += (chunk as Buffer).length
    if (seen >= bytes) return
  }
}

function answerStatus(fault: HttpFault & { kind: 'status' | 'html200' }, response: ServerResponse): void {
  const status = fault.kind === 'status' ? fault.status : 200
  const page = `<html><head><title>${status}</title></head><body><h1>${status}</h1></body></html>\n`
  const body = (fault.kind === 'status' ? fault.body : undefined) ?? page
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...(fault.kind === 'status' ? fault.headers : {}),
  })
  response.end(body)
}

/**
 * Opens and closes a server on one port: `down` cuts every connection and frees the port, so that clients see
 * "connection refused"; `up` listens on the same port again. Works for `node:http` and `node:net` servers alike.
 */
export class Outage {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #host: string
  #port: number

  /** `port` 0 takes a free port at the first `up` and keeps it. */
  constructor(server: Server, host: string, port: number) {
    this.#server = server
    this.#host = host
    this.#port = port
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  get port(): number {
    return this.#port
  }

  /** Listens; does nothing when the server listens already. Rejects with the system's error, e.g. EADDRINUSE. */
  async up(): Promise<void> {
    if (this.#server.listening) return
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, this.#host, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Stops listening and cuts all connections; does nothing when the server is down already. */
  async down(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
