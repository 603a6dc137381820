/** One TCP connection at a time, as the servers built into Cuckoo work: the others wait, accepted but unread. */
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'

/**
 * A TCP server in front of an HTTP parser. With `singleThreaded` a connection that sends nothing blocks all others
 * until it is closed. A client that gave up while it waited is still served, because its request lies in the
 * kernel's buffer.
 */
export class AcceptQueue {
  /** The server that listens. */
  readonly server: Server
  readonly #http
  readonly #singleThreaded: boolean
  readonly #waiting: Socket[] = []
  #serving = 0
  #open = 0
  #peak = 0

  constructor(serve: RequestListener, singleThreaded: boolean) {
    this.#singleThreaded = singleThreaded
    this.#http = createHttpServer(serve).on('checkContinue', serve)
    // A client may end its side after the request; without this Node would drop the request.
    Object.assign(this.#http, { httpAllowHalfOpen: true })
    this.server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, socket =>
      this.#accept(socket),
    )
  }

  /** The most connections that were open at once, waiting ones included. */
  get peak(): number {
    return this.#peak
  }

  #accept(socket: Socket): void {
    this.#open++
    this.#peak = Math.max(this.#peak, this.#open)
    socket.once('close', () => this.#open--)
    // A reset by the client is no error of the server; the journal shows which answers were cut.
    socket.on('error', () => socket.destroy())
    this.#waiting.push(socket)
    this.#serveNext()
  }

  #serveNext(): void {
    if (this.#singleThreaded && this.#serving > 0) return
    let socket = this.#waiting.shift()
    while (socket?.destroyed) socket = this.#waiting.shift()
    if (socket === undefined) return
    this.#serving++
    socket.once('close', () => {
      this.#serving--
      this.#serveNext()
    })
    this.#http.emit('connection', socket)
    socket.resume()
  }
}
