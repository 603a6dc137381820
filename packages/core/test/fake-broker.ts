// Connections to a broker that is none: their channels write down what they are asked for, and answer as the test says.
import { EventEmitter } from 'node:events'
import type { ChannelModel } from 'amqplib'
import { pino } from 'pino'

type OnAnswer = (refusal: unknown) => void

export interface Sent {
  readonly queue: string
  readonly body: string
  readonly options: {
    readonly messageId: string
    readonly headers: Record<string, unknown>
    readonly mandatory: boolean
  }
  readonly answer: OnAnswer
}

export interface Consumption {
  readonly queue: string
  readonly take: (message: { readonly content: Buffer }) => void
}

/** What becomes of a publish. */
export type Fate = 'confirmed' | 'nacked' | 'returned' | 'none'

export class FakeBroker {
  /** In order: connects, channels, declarations, publishes, closes. */
  readonly steps: string[] = []
  /** The options of each declared queue. */
  readonly declared = new Map<string, unknown>()
  readonly connections: FakeConnection[] = []
  readonly sent: Sent[] = []
  readonly consumed: Consumption[] = []
  /** Of the publishes to come; afterwards all are confirmed. */
  readonly fates: Fate[] = []
  readonly events: { readonly body: string; readonly persistent: boolean }[] = []
  /** Called before a connection is made, and before a queue is declared or looked at. */
  onConnect: (address: string) => void | Promise<void> = () => {}
  onQueue: (queue: string) => void | Promise<void> = () => {}
  /** Whether a channel takes more events at once. */
  hasRoom = true

  readonly connect = async ({ shown }: { readonly shown: string }): Promise<ChannelModel> => {
    this.steps.push(`connect ${shown}`)
    await this.onConnect(shown)
    const connection = new FakeConnection(this)
    this.connections.push(connection)
    return connection as unknown as ChannelModel
  }

  get connection(): FakeConnection {
    return this.connections.at(-1) ?? new FakeConnection(this)
  }
}

class FakeConnection extends EventEmitter {
  readonly channels: FakeChannel[] = []
  readonly connection = {}
  readonly #broker: FakeBroker

  constructor(broker: FakeBroker) {
    super()
    this.#broker = broker
  }

  async createChannel(): Promise<FakeChannel> {
    const channel = new FakeChannel(this.#broker)
    this.channels.push(channel)
    return channel
  }

  createConfirmChannel(): Promise<FakeChannel> {
    this.#broker.steps.push('confirm channel')
    return this.createChannel()
  }

  async close(): Promise<void> {
    this.#broker.steps.push('close')
    for (const channel of this.channels) channel.isClosed = true
  }

  /** As amqplib does when the socket is gone. */
  break(why: string): void {
    for (const channel of this.channels) channel.break(why)
    this.emit('close', new Error(why))
  }
}

class FakeChannel extends EventEmitter {
  readonly #broker: FakeBroker
  #open: OnAnswer[] = []
  isClosed = false

  constructor(broker: FakeBroker) {
    super()
    this.#broker = broker
  }

  async assertQueue(queue: string, options?: unknown): Promise<{ queue: string }> {
    this.#broker.steps.push(`declare ${queue}`)
    this.#broker.declared.set(queue, options)
    await this.#broker.onQueue(queue)
    return { queue }
  }

  async assertExchange(): Promise<void> {}

  async prefetch(): Promise<void> {}

  async consume(queue: string, take: Consumption['take']): Promise<void> {
    this.#broker.consumed.push({ queue, take })
  }

  ack(): void {
    this.#throwIfClosed()
    this.#broker.steps.push('ack')
  }

  async checkQueue(queue: string): Promise<{ messageCount: number; consumerCount: number }> {
    this.#broker.steps.push(`check ${queue}`)
    await this.#broker.onQueue(queue)
    return { messageCount: 3, consumerCount: 2 }
  }

  publish(_exchange: string, queue: string, body: Buffer, options: Sent['options'], answer: OnAnswer): boolean {
    this.#throwIfClosed()
    this.#broker.steps.push(`publish ${queue}`)
    this.#broker.sent.push({ queue, body: body.toString(), options, answer })
    const fate = this.#broker.fates.shift() ?? 'confirmed'
    if (fate === 'none') this.#open.push(answer)
    else
      setImmediate(() => {
        if (fate === 'returned') this.emit('return', { properties: { messageId: options.messageId } })
        answer(fate === 'nacked' ? new Error('message nacked') : null)
      })
    return true
  }

  sendToQueue(_queue: string, event: Buffer, { persistent }: { persistent: boolean }): boolean {
    this.#throwIfClosed()
    this.#broker.events.push({ body: event.toString(), persistent })
    return this.#broker.hasRoom
  }

  async close(): Promise<void> {
    this.#broker.steps.push('close channel')
  }

  break(why: string): void {
    this.isClosed = true
    for (const answer of this.#open.splice(0)) answer(new Error(why))
    this.emit('close')
  }

  #throwIfClosed(): void {
    if (this.isClosed) throw Object.assign(new Error('Channel closed'), { name: 'IllegalOperationError' })
  }
}

export function amqpError(code: number, text: string): Error {
  return Object.assign(new Error(text), { code })
}

/** A log, and its lines as `[message, cause]`. */
export function logOf() {
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  return { log, lines, messages: () => lines.map(({ msg }) => String(msg)) }
}
