// A TCP proxy that reads AMQP frames as they pass, and stops a connection at the very frame that a test names.
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'
import { reset } from '@cuckoo-distributed/testing'

/** What a client or the broker is about to say: basic.publish, its confirm, or the client's basic.ack. */
export type Moment = 'publish' | 'confirm' | 'ack'

type Direction = 'up' | 'down'

interface Trap {
  readonly moment: Moment
  /** Frames of that kind still to let pass. */
  left: number
  sprung(): void
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** What waits behind a held frame. */
  readonly held: Partial<Record<Direction, Buffer[]>>
  /** It is for events alone: nothing depends on them, and no trap is meant for them. */
  isForEvents: boolean
}

/** "AMQP" and the version, before the first frame. */
const PREFACE_BYTES = 8
/** Class and method ids of AMQP 0-9-1. */
const BASIC = 60
const QUEUE = 50
const DECLARE = 10
const METHODS: readonly (readonly [Direction, number, Moment])[] = [
  ['up', 40, 'publish'],
  ['up', 80, 'ack'],
  ['down', 80, 'confirm'],
]

export class AmqpTap {
  #target: number
  readonly #pairs = new Set<Pair>()
  readonly #listener: Server
  #traps: Trap[] = []
  #stalled = false

  private constructor(target: number) {
    this.#target = target
    this.#listener = createServer(client => this.#connect(client))
  }

  /** Listens on a free port of 127.0.0.1 for a broker on `target`. */
  static async start(target: number): Promise<AmqpTap> {
    const tap = new AmqpTap(target)
    tap.#listener.listen(0, '127.0.0.1')
    await once(tap.#listener, 'listening')
    return tap
  }

  /** The broker's URL with this proxy's port in it. */
  through(url: string): string {
    const { port } = this.#listener.address() as AddressInfo
    return url.replace(/:\d+$/, `:${port}`)
  }

  /**
   * Resolves when the frame comes; it and all behind it, in that direction of that connection, are held until
   * `release`, or lost with the connection. `nth` counts from 1.
   */
  hold(moment: Moment, nth = 1): Promise<void> {
    return new Promise(resolve => this.#traps.push({ moment, left: nth - 1, sprung: resolve }))
  }

  /** Forgets traps that nothing ran into, and lets what was held or stalled pass. */
  release(): void {
    this.#traps = []
    this.#stalled = false
    for (const { client, server, held } of this.#pairs) {
      for (const frame of held.up?.splice(0) ?? []) server.write(frame)
      for (const frame of held.down?.splice(0) ?? []) client.write(frame)
      delete held.up
      delete held.down
    }
  }

  /** From now on nothing passes on any connection, and nothing is lost, until `release`. */
  stall(): void {
    this.#stalled = true
    for (const { held } of this.#pairs) {
      held.up ??= []
      held.down ??= []
    }
  }

  /** From now on connections lead to another port of 127.0.0.1; those that are open are reset. */
  moveTo(port: number): void {
    this.#target = port
    this.cut()
  }

  /** Resets every connection, or only those with something held, or all but those; what was held is lost. */
  cut(which: 'all' | 'held' | 'others' = 'all'): void {
    for (const { client, server, held } of this.#pairs) {
      const holds = held.up !== undefined || held.down !== undefined
      if (which !== 'all' && holds !== (which === 'held')) continue
      reset(client)
      reset(server)
    }
  }

  /** The broker loses every connection; the clients hear nothing. */
  halfOpen(): void {
    for (const pair of this.#pairs) {
      this.#pairs.delete(pair)
      // Nothing that was held, or comes from now on, is ever passed on.
      pair.held.up = []
      pair.held.down = []
      reset(pair.server.removeAllListeners('close'))
    }
  }

  close(): void {
    this.#listener.close()
    this.cut()
  }

  #connect(client: Socket): void {
    const server = createConnection({ port: this.#target, host: '127.0.0.1' })
    const held: Pair['held'] = this.#stalled ? { up: [], down: [] } : {}
    const pair: Pair = { client, server, held, isForEvents: false }
    this.#pairs.add(pair)
    const end = () => {
      this.#pairs.delete(pair)
      reset(client)
      reset(server)
    }
    for (const socket of [client, server]) socket.on('error', () => {}).on('close', end)
    this.#forward(pair, 'up', PREFACE_BYTES)
    this.#forward(pair, 'down', 0)
  }

  #forward(pair: Pair, direction: Direction, preface: number): void {
    const [from, to] = direction === 'up' ? [pair.client, pair.server] : [pair.server, pair.client]
    let rest: Buffer = Buffer.alloc(0)
    let next = preface
    from.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      for (;;) {
        const length = next || frameLength(rest)
        if (length === undefined || rest.length < length) return
        const frame = rest.subarray(0, length)
        rest = rest.subarray(length)
        next = 0
        this.#spring(pair, direction, frame)
        const waiting = pair.held[direction]
        if (waiting) waiting.push(frame)
        else if (!to.destroyed) to.write(frame)
      }
    })
  }

  #spring(pair: Pair, direction: Direction, frame: Buffer): void {
    pair.isForEvents ||= direction === 'up' && declaresEvents(frame)
    if (pair.isForEvents) return
    const moment = momentOf(direction, frame)
    const trap = this.#traps.find(candidate => candidate.moment === moment)
    if (trap === undefined) return
    if (trap.left > 0) {
      trap.left -= 1
      return
    }
    this.#traps = this.#traps.filter(candidate => candidate !== trap)
    pair.held[direction] ??= []
    trap.sprung()
  }
}

/** Type, channel (2), size (4), payload, end: `amqp0-9-1.pdf`, 2.3.5. */
function frameLength(bytes: Buffer): number | undefined {
  return bytes.length < 7 ? undefined : 8 + bytes.readUInt32BE(3)
}

function methodOf(frame: Buffer, ofClass: number): number | undefined {
  const isMethod = frame[0] === 1 && frame.length >= 12
  return isMethod && frame.readUInt16BE(7) === ofClass ? frame.readUInt16BE(9) : undefined
}

/** Whether a queue.declare names a queue of events: two reserved bytes, then its name as a short string. */
function declaresEvents(frame: Buffer): boolean {
  if (methodOf(frame, QUEUE) !== DECLARE) return false
  return frame.toString('latin1', 14, 14 + (frame[13] ?? 0)).endsWith('.events')
}

function momentOf(direction: Direction, frame: Buffer): Moment | undefined {
  const method = methodOf(frame, BASIC)
  if (method === undefined) return undefined
  return METHODS.find(([way, id]) => way === direction && id === method)?.[2]
}
