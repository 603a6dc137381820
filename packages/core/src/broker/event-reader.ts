// The other end of the queue of events, and what its readers say to each other: one connection, beside those of the pipeline.
import { randomBytes } from 'node:crypto'
import { delay, orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import { describeError, toError } from '../errors.js'
import { decodeEvent, MAX_EVENT_BYTES, type PipelineEvent, readersExchange } from '../events.js'
import type { Logger } from '../logger.js'
import { BrokerConnection, type BrokerConnectionOptions } from './connection.js'
import { declareEventQueue, isDeclarationRefused } from './event-sender.js'

const PREFETCH = 1000
/** How long events are gathered before they are stored. */
const GATHER_MS = 20
const AGAIN_MS = 1000
const DECLARE_LIMIT_MS = 30_000
const LAST_WORDS_MS = 500

export interface EventReaderOptions
  extends Pick<BrokerConnectionOptions, 'addresses' | 'tls' | 'name' | 'log' | 'connect'> {
  readonly failedQueue: string
  /** They leave the queue once this resolves, and are stored again after it has rejected. Calls do not overlap. */
  store(events: readonly PipelineEvent[]): Promise<void>
  /** Something was said to all readers. `reply` is there if an answer is wanted. */
  hear(body: Buffer, reply: ((answer: Buffer) => void) | undefined): void
  /** It can be heard and spoken from now on, again after a connection was lost. */
  onListening(): void
  /** The connection is lost: another reader may get the events from now on. */
  onLost(): void
}

export class EventReader implements AsyncDisposable {
  readonly #options: EventReaderOptions
  readonly #log: Logger
  readonly #connection: BrokerConnection
  readonly #end = new AbortController()
  #pending: ConsumeMessage[] = []
  #events: Channel | undefined
  #calls: Channel | undefined
  #storing: Promise<void> | undefined
  #opening: Promise<void> | undefined

  constructor(options: EventReaderOptions) {
    this.#options = options
    this.#log = options.log
    const { addresses, tls, name, log, connect } = options
    const setUp = (connection: ChannelModel) => this.#setUp(connection)
    const onLost = () => {
      this.#events = undefined
      this.#calls = undefined
      this.#pending = []
      options.onLost()
    }
    this.#connection = new BrokerConnection({ addresses, tls, name, log, connect, setUp, onLost })
  }

  /** Begins; nobody waits for it. */
  start(): void {
    this.#opening ??= this.#connection.open(this.#end.signal).catch((error: unknown) => {
      if (!this.#end.signal.aborted) this.#log.warn({ cause: describeError(error) }, 'there is no journal')
    })
  }

  /** Says something to all readers; lost while there is no connection. */
  call(body: Buffer): void {
    try {
      this.#calls?.publish(readersExchange(this.#options.failedQueue), '', body)
    } catch {
      this.#calls = undefined // amqplib throws only when the channel is closed; the next connection begins anew
    }
  }

  /** What was taken is stored; what was not goes to the next reader. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the reader ends'))
    await this.#storing
    await this.#closeChannels()
    await this.#connection[Symbol.asyncDispose]()
    await this.#opening
  }

  /** By themselves: the close of a connection overtakes what its channels still have to send. */
  async #closeChannels(): Promise<void> {
    using limit = timeLimit(new AbortController().signal, LAST_WORDS_MS, new Error('no answer in time'))
    const channels = [this.#events, this.#calls].filter(channel => channel !== undefined)
    this.#events = undefined
    this.#calls = undefined
    // What the broker has not read it gives to the next reader.
    await orAbort(Promise.all(channels.map(channel => channel.close())), limit.signal).catch(() => undefined)
  }

  async #setUp(connection: ChannelModel): Promise<void> {
    await this.#unlessRefused(
      () => this.#consume(connection),
      'no events reach the journal: the broker rejects their queue',
    )
    await this.#unlessRefused(
      () => this.#listen(connection),
      'this overseer cannot answer queries: the broker rejects their exchange or queues',
    )
  }

  async #unlessRefused(setUp: () => Promise<void>, otherwise: string): Promise<void> {
    using limit = timeLimit(this.#end.signal, DECLARE_LIMIT_MS, new Error('the broker does not answer'))
    try {
      await orAbort(setUp(), limit.signal)
    } catch (error: unknown) {
      if (!isDeclarationRefused(toError(error))) throw error
      this.#log.warn({ cause: describeError(error) }, otherwise)
    }
  }

  async #consume(connection: ChannelModel): Promise<void> {
    const channel = await this.#channel(connection)
    const queue = await declareEventQueue(channel, this.#options.failedQueue)
    await channel.prefetch(PREFETCH)
    this.#events = channel
    await channel.consume(queue, message => {
      if (this.#events !== channel) return
      if (message) this.#take(message)
      else this.#connection.drop(new Error('the queue of events was deleted'))
    })
  }

  async #listen(connection: ChannelModel): Promise<void> {
    const channel = await this.#channel(connection)
    const exchange = readersExchange(this.#options.failedQueue)
    await channel.assertExchange(exchange, 'fanout', { durable: false, autoDelete: true })
    const own = `${exchange}.${randomBytes(6).toString('hex')}`
    const { queue } = await channel.assertQueue(own, { exclusive: true, autoDelete: true, durable: false })
    await channel.bindQueue(queue, exchange, '')
    await channel.consume(queue, message => message && this.#hear(channel, message), { noAck: true })
    this.#calls = channel
    this.#options.onListening()
  }

  async #channel(connection: ChannelModel): Promise<Channel> {
    const channel = await connection.createChannel()
    channel.on('error', () => undefined) // the same error rejects what is awaited, or closes the channel
    channel.on('close', () => {
      if (this.#events !== channel && this.#calls !== channel) return
      this.#connection.drop(new Error('the broker closed a channel of the journal'))
    })
    return channel
  }

  #hear(channel: Channel, { content, properties: { replyTo, correlationId } }: ConsumeMessage): void {
    const wantsReply = typeof replyTo === 'string' && typeof correlationId === 'string'
    const reply = (answer: Buffer) => {
      if (this.#calls === channel) channel.sendToQueue(replyTo, answer, { correlationId })
    }
    this.#options.hear(content, wantsReply ? reply : undefined)
  }

  #take(message: ConsumeMessage): void {
    this.#pending.push(message)
    this.#storing ??= this.#store().finally(() => {
      this.#storing = undefined
    })
  }

  /** What cannot be stored is held; the queue drops its oldest events meanwhile. */
  async #store(): Promise<void> {
    const { signal } = this.#end
    while (this.#pending.length > 0) {
      await delay(GATHER_MS, signal).catch(() => undefined) // the last ones are not waited for
      const channel = this.#events
      const batch = this.#pending
      const last = batch.at(-1)
      if (!channel || !last) return
      this.#pending = []
      const isStored = await this.#options.store(batch.flatMap(eventIn)).then(
        () => true,
        () => false, // who stores says why
      )
      const isSame = this.#events === channel
      if (isStored && isSame) this.#acknowledge(channel, last)
      if (signal.aborted) return
      if (isStored) continue
      if (isSame) this.#pending = [...batch, ...this.#pending]
      await delay(AGAIN_MS, signal).catch(() => undefined) // the end is seen above
    }
  }

  #acknowledge(channel: Channel, last: ConsumeMessage): void {
    try {
      channel.ack(last, true)
    } catch {
      this.#events = undefined // amqplib throws only when the connection is closing; what is stored comes again
    }
  }
}

/** None for what others may have put there. */
function eventIn({ content }: ConsumeMessage): PipelineEvent[] {
  const event = content.length <= MAX_EVENT_BYTES ? decodeEvent(content.toString()) : undefined
  return event ? [event] : []
}
