/** A TCP proxy between a client and a server that fails on command: cut, stalled, refusing, half open. */
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'
import { reset } from './reset.js'

interface Pair {
  client: Socket
  server: Socket
}

export interface ProxyTarget {
  /** Default 127.0.0.1. */
  host?: string
  port: number
}

export class TcpProxy {
  /** Bytes passed from clients to the server. */
  bytesUp = 0
  /** Bytes passed from the server to clients. */
  bytesDown = 0
  /** Connections accepted since the start. */
  accepted = 0
  readonly #target: Required<ProxyTarget>
  readonly #pairs = new Set<Pair>()
  #listener: Server | undefined
  #port = 0
  readonly #stalled = { up: false, down: false }

  private constructor(target: ProxyTarget) {
    this.#target = { host: '127.0.0.1', ...target }
  }

  /** Starts a proxy on a free port of 127.0.0.1. */
  static async start(target: ProxyTarget): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await proxy.accept()
    return proxy
  }

  /** Port on 127.0.0.1; it stays the same through `refuse` and `accept`. */
  get port(): number {
    return this.#port
  }

  /** Connections open at this moment. */
  get open(): number {
    return this.#pairs.size
  }

  /** `url` with this proxy in the place of its host and port; the rest, user and path included, is kept. */
  through(url: string): string {
    return url.replace(/(:\/\/(?:[^@/]*@)?)[^/?]*/, `$1127.0.0.1:${this.#port}`)
  }

  /** Resets every open connection, on both sides; new ones are accepted. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      reset(client)
      reset(server)
    }
  }

  /**
   * Passes nothing on and loses nothing: like a hanging network. `up` is towards the server; without a direction, both. New connections hang
   * too.
   */
  stall(...directions: readonly ('up' | 'down')[]): void {
    const stalled = directions.length === 0 ? (['up', 'down'] as const) : directions
    for (const direction of stalled) this.#stalled[direction] = true
    for (const { client, server } of this.#pairs) {
      if (this.#stalled.up) client.pause()
      if (this.#stalled.down) server.pause()
    }
  }

  /** Ends `stall`; what has been held back is passed on. */
  resume(): void {
    Object.assign(this.#stalled, { up: false, down: false })
    for (const { client, server } of this.#pairs) {
      client.resume()
      server.resume()
    }
  }

  /** The server side of every open connection is reset, while its client hears nothing and talks into the void. */
  halfOpen(): void {
    for (const pair of this.#pairs) {
      pair.server.removeAllListeners('close')
      reset(pair.server)
    }
  }

  /** Refuses new connections; open ones live on (`cut` ends them). */
  refuse(): void {
    // `close` stops listening at once; its event would wait for the open connections.
    this.#listener?.close()
    this.#listener = undefined
  }

  /** Accepts connections again, on the same port. */
  async accept(): Promise<void> {
    if (this.#listener !== undefined) return
    const listener = createServer({ pauseOnConnect: true }, client => this.#connect(client))
    listener.listen(this.#port, '127.0.0.1')
    await once(listener, 'listening')
    this.#port = (listener.address() as AddressInfo).port
    this.#listener = listener
  }

  /** Refuses and cuts everything. */
  close(): void {
    this.refuse()
    this.cut()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #connect(client: Socket): void {
    this.accepted++
    const server = createConnection({ ...this.#target, allowHalfOpen: true })
    const pair = { client, server }
    this.#pairs.add(pair)
    client.on('data', (chunk: Buffer) => {
      this.bytesUp += chunk.length
      if (!server.destroyed && !server.write(chunk)) holdUntilDrained(client, server, () => this.#stalled.up)
    })
    server.on('data', (chunk: Buffer) => {
      this.bytesDown += chunk.length
      if (!client.write(chunk)) holdUntilDrained(server, client, () => this.#stalled.down)
    })
    client.on('end', () => server.end())
    server.on('end', () => client.end())
    // An error of one side reaches the other as the reset that follows it.
    client.on('error', () => {})
    server.on('error', () => {})
    client.once('close', () => {
      this.#pairs.delete(pair)
      reset(server)
    })
    server.once('close', hadError => (hadError ? reset(client) : client.end()))
    if (this.#stalled.down) server.pause()
    if (!this.#stalled.up) client.resume()
  }
}

function holdUntilDrained(source: Socket, sink: Socket, isStalled: () => boolean): void {
  source.pause()
  sink.once('drain', () => {
    if (!isStalled()) source.resume()
  })
}
