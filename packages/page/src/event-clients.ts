// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), as `followEvents` of the browser side reads them.
import type { ServerResponse } from 'node:http'

const BEAT_MS = 15_000

export interface PageEvent {
  /** One word. */
  readonly name: string
  /** What JSON can hold. */
  readonly data: unknown
}

export interface EventClientsOptions {
  /** Clients at a time. Default 20. */
  readonly most?: number
  /** Bytes that may wait for a client that does not read. Default 1 MiB. */
  readonly mostWaiting?: number
}

/**
 * The clients that follow events. One that does not read is cut off, and connects again when it does: `first` tells it
 * then how things are, so that nobody keeps what it has missed. Disposing ends all.
 */
export class EventClients implements Disposable {
  readonly #clients = new Set<ServerResponse>()
  readonly #most: number
  readonly #mostWaiting: number
  readonly #beat: NodeJS.Timeout

  constructor({ most = 20, mostWaiting = 2 ** 20 }: EventClientsOptions = {}) {
    this.#most = most
    this.#mostWaiting = mostWaiting
    // Either end, and proxies between them, notice by it that the other is gone.
    this.#beat = setInterval(() => this.#sendText(':\n\n'), BEAT_MS)
    this.#beat.unref()
  }

  get size(): number {
    return this.#clients.size
  }

  /**
   * Answers a request with a stream of events, those in `first` before all others, until its connection or `signal` ends. False, with 503
   * answered, when there are too many clients.
   */
  add(
    response: ServerResponse,
    { first = [], signal }: { first?: readonly PageEvent[]; signal?: AbortSignal } = {},
  ): boolean {
    if (this.#clients.size >= this.#most || signal?.aborted) {
      response.writeHead(503, { 'retry-after': '5' }).end()
      return false
    }
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      // Of nginx, which would otherwise collect them.
      'x-accel-buffering': 'no',
    })
    this.#clients.add(response)
    const end = () => response.end()
    signal?.addEventListener('abort', end, { once: true })
    response.once('close', () => {
      this.#clients.delete(response)
      signal?.removeEventListener('abort', end)
    })
    // A client that is gone has its `close`.
    response.on('error', () => {})
    response.write(`:\n\n${first.map(encoded).join('')}`)
    return true
  }

  /** Sends an event to all clients. */
  send(event: PageEvent): void {
    this.#sendText(encoded(event))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#beat)
    for (const client of this.#clients) client.end()
  }

  #sendText(text: string): void {
    for (const client of this.#clients) {
      if (client.writableEnded) continue
      if (client.writableLength > this.#mostWaiting) client.destroy()
      else client.write(text)
    }
  }
}

function encoded({ name, data }: PageEvent): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
