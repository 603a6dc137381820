// Publishes persistent and mandatory, and resolves only when the broker has confirmed.
import { randomUUID } from 'node:crypto'
import { backOff, delay } from '@cuckoo-distributed/wait'
import type { Channel } from 'amqplib'
import { describeError, ServiceError } from '../errors.js'
import { type HeaderTable, SEEN } from '../headers.js'
import type { Logger } from '../logger.js'
import type { Telemetry } from '../telemetry.js'
import { ConfirmChannel, type Outgoing, type PublishOutcome, UnknownOutcomeError } from './confirm-channel.js'
import { BrokerConnection, type BrokerConnectionOptions } from './connection.js'
import { declareQueue, type OwnQueue, onChannel, type QueueType } from './queues.js'
import { Silence } from './silence.js'
import { Unanswered } from './unanswered.js'

/** Bodies above this share no channel with others: an oversize publish closes the channel and fails what is in flight. */
const LARGE_BODY_BYTES = 1024 * 1024
const SMALL_AT_A_TIME = 2000
const QUIET_MS = 1000
const PATIENCE_MS = 30_000
const MAX_UNANSWERED_BYTES = 64 * 1024 * 1024
const DECLARE_TIMEOUT_MS = 10_000

/** A queue that is not ours does not exist (`returned`), or does not take the message at present (`nacked`). */
export class UndeliverableError extends ServiceError {
  readonly why: 'returned' | 'nacked'
  constructor(queue: string, why: 'returned' | 'nacked') {
    const meaning = why === 'returned' ? 'there is no such queue' : 'the queue refused it (it is full or unavailable)'
    super('UNDELIVERABLE', `the broker ${why} a message for "${queue}": ${meaning}`)
    this.why = why
  }
}

export interface PublisherOptions
  extends Pick<BrokerConnectionOptions, 'addresses' | 'tls' | 'name' | 'log' | 'connect'> {
  readonly queues: readonly OwnQueue[]
  readonly queueType: QueueType
  readonly telemetry?: Telemetry | undefined
  /** Bytes of one body; more is refused before anything is sent. */
  readonly maxMessageSize: number
  /** How long nothing may be answered before a queue is silent and nothing more is sent to it, in milliseconds. Default 1 s. */
  readonly quietMs?: number | undefined
  /**
   * How long an unanswered publish keeps others of its size from being sent to other queues, and after which silence
   * deliveries are doubtful, in milliseconds. After four times as long a silent queue is asked by one message. Default 30 s.
   */
  readonly patienceMs?: number | undefined
  /** Bytes that are sent to one queue without an answer. Default 64 MiB. */
  readonly maxUnansweredBytes?: number | undefined
  /** Milliseconds after which an answer that does not come is named in the log. Default 10 s. */
  readonly silentMs?: number | undefined
}

export interface Doubt {
  readonly cause: string
  /** False: the broker was silent for long, and may only have been slow. */
  readonly isCertain: boolean
}

export interface PublishOptions {
  /** Default `maxMessageSize`. More for a body that goes back as it came: what came through the broker is not too large. */
  readonly maxBytes?: number | undefined
  /** The delivery that the message follows from. */
  readonly from?: { readonly arrivedAt: number; readonly isCostly: boolean } | undefined
}

/** The broker may have given the delivery to someone else, who would publish the same. */
export class DeliveryDoubtfulError extends ServiceError {
  constructor() {
    super('DELIVERY_DOUBTFUL', 'the broker may have delivered the message to another consumer')
  }
}

export class Publisher {
  readonly #options: PublisherOptions
  readonly #connection: BrokerConnection
  readonly #small: ConfirmChannel
  readonly #large: ConfirmChannel
  readonly #doubters = new Set<(doubt: Doubt) => void>()
  readonly #log: Logger
  readonly #patienceMs: number
  #doubtfulUntil = Number.NEGATIVE_INFINITY

  constructor(options: PublisherOptions) {
    const log = options.log.child({ connection: 'publishing' })
    const { addresses, tls, name, connect, patienceMs = PATIENCE_MS } = options
    this.#log = log
    this.#patienceMs = patienceMs
    const connection = new BrokerConnection({ addresses, tls, name, log, connect, setUp: async () => undefined })
    const silence = new Silence(log, options.silentMs)
    const unanswered = new Unanswered({
      readingTime: connection.readingTime,
      maxBytes: options.maxUnansweredBytes ?? MAX_UNANSWERED_BYTES,
      quietMs: options.quietMs ?? QUIET_MS,
      patienceMs,
      onLateAnswer: () => this.#doubt('the broker was silent for long', false),
    })
    const shared = { connection, silence, unanswered, patienceMs }
    this.#options = options
    this.#connection = connection
    this.#small = new ConfirmChannel({ ...shared, places: SMALL_AT_A_TIME })
    this.#large = new ConfirmChannel({ ...shared, places: 1 })
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#connection.open(signal)
  }

  get connection(): Pick<BrokerConnection, 'isUp' | 'losses' | 'readingTime'> {
    return this.#connection
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]()
  }

  /** `listener` is called whenever deliveries that are older than an answer may take are to be doubted; see `publish`. */
  onDoubt(listener: (doubt: Doubt) => void): void {
    this.#doubters.add(listener)
  }

  /** To be called when a message comes again that is in hand since `arrivedAt` (`performance.now`), on a channel that lives. */
  cameAgain(arrivedAt: number): void {
    if (performance.now() - arrivedAt > this.#patienceMs) this.#doubt('a message in progress was redelivered', true)
  }

  #doubt(cause: string, isCertain: boolean): void {
    const doubtfulUntil = performance.now() - this.#patienceMs
    // What came before is one piece of news, however many messages tell it.
    if (doubtfulUntil > this.#doubtfulUntil + this.#patienceMs) {
      this.#log.warn({ cause }, 'messages in progress may have been delivered to other consumers; they are returned')
    }
    this.#doubtfulUntil = doubtfulUntil
    for (const listener of this.#doubters) listener({ cause, isCertain })
  }

  /**
   * Publishes to a queue and resolves when the broker has it on disk.
   * An answer is waited for as long as the channel lives, for ever if need be: only `signal` ends it, with `signal.reason`.
   * The same bytes are published again, with back-off and the same message id, when the channel was lost before the answer,
   * and when an own queue refuses: it was deleted and is declared again, it is full, or it has no leader at present. A
   * repeat is marked as seen unless the broker said that the message went nowhere: it may be there twice.
   * While a queue answers nothing, what is new is not sent to it but waits; now and then one message is, to ask it again.
   * What follows from a delivery that the broker may have given to someone else although its channel lives is not sent
   * unless it is costly. A node that is cut off from its peers answers nobody; its peers give away what it had once they
   * take it for down, which is after at least three quarters of `net_ticktime`, 60 s by default
   * (`rabbitmq/rabbitmq-server:deps/rabbit/src/rabbit_fifo.erl`, `noconnection`).
   * Resolves with `perhaps-twice` after a repeat that was marked so. Throws ServiceError (MESSAGE_TOO_LARGE; nothing was
   * sent), BrokerSizeLimitError, DeliveryDoubtfulError and, for a queue that is not ours, UndeliverableError.
   */
  publish(
    queue: string,
    body: Buffer,
    headers: HeaderTable,
    signal: AbortSignal,
    options: PublishOptions = {},
  ): Promise<'once' | 'perhaps-twice'> {
    const publish = (traced: HeaderTable) => this.#publish(queue, body, traced, signal, options)
    return this.#options.telemetry?.sending?.({ queue, headers, bytes: body.length }, publish) ?? publish(headers)
  }

  async #publish(
    queue: string,
    body: Buffer,
    headers: HeaderTable,
    signal: AbortSignal,
    { maxBytes = this.#options.maxMessageSize, from }: PublishOptions,
  ): Promise<'once' | 'perhaps-twice'> {
    if (body.length > maxBytes) {
      const problem = `a message of ${body.length} bytes for "${queue}" is above MaxMessageSize (${maxBytes} bytes)`
      throw new ServiceError('MESSAGE_TOO_LARGE', problem)
    }
    const own = this.#options.queues.find(candidate => candidate.name === queue)
    const channel = body.length > LARGE_BODY_BYTES ? this.#large : this.#small
    const pause = backOff({ initialMs: 100, maxMs: 10_000 })
    const admit = () => {
      if (from && !from.isCostly && from.arrivedAt <= this.#doubtfulUntil) throw new DeliveryDoubtfulError()
    }
    let message: Outgoing = { queue, body, headers, messageId: randomUUID(), arrivedAt: from?.arrivedAt, admit }
    let sent: 'once' | 'perhaps-twice' = 'once'
    for (;;) {
      const begun = performance.now()
      const outcome = await this.#publishOnce(channel, message, signal)
      if (outcome === 'confirmed') {
        this.#options.telemetry?.took?.('confirm', queue, (performance.now() - begun) / 1000)
        return sent
      }
      if (outcome !== 'returned') message = { ...message, headers: { ...headers, ...SEEN } }
      if (outcome === 'unknown') sent = 'perhaps-twice'
      if (outcome !== 'unknown') {
        if (!own) throw new UndeliverableError(queue, await this.#reasonOf(queue, outcome, signal))
        this.#options.log.warn({ queue, outcome }, 'the queue rejects a message; declaring the queue and trying again')
        await this.#declareAgain(own, signal)
      }
      await delay(pause.next(), signal)
    }
  }

  async #publishOnce(
    channel: ConfirmChannel,
    message: Outgoing,
    signal: AbortSignal,
  ): Promise<PublishOutcome | 'unknown'> {
    try {
      return await channel.publish(message, signal)
    } catch (error: unknown) {
      if (!(error instanceof UnknownOutcomeError)) throw error
      this.#options.log.warn(
        { queue: message.queue, cause: error.message },
        'the channel was lost before a confirm; publishing again',
      )
      return 'unknown'
    }
  }

  /** That it fails changes nothing: a queue that exists with other arguments is one that is full or unavailable. */
  async #declareAgain(queue: OwnQueue, signal: AbortSignal): Promise<void> {
    try {
      await this.#onChannel(signal, channel => declareQueue(channel, queue, this.#options.queueType))
    } catch (error: unknown) {
      signal.throwIfAborted()
      this.#options.log.warn(
        { queue: queue.name, cause: describeError(error) },
        'the queue cannot be declared at present',
      )
    }
  }

  /**
   * A quorum queue without a leader returns messages as a missing queue does; only the broker's "no queue" is proof
   * (`rabbitmq/rabbitmq-server:deps/rabbit/src/rabbit_amqqueue.erl`, `not_found_or_absent_amqqueue`).
   */
  async #reasonOf(queue: string, outcome: 'returned' | 'nacked', signal: AbortSignal): Promise<'returned' | 'nacked'> {
    if (outcome === 'nacked') return outcome
    try {
      await this.#onChannel(signal, channel => channel.checkQueue(queue))
      return 'nacked'
    } catch (error: unknown) {
      signal.throwIfAborted()
      return /NOT_FOUND - no queue/.test(describeError(error)) ? 'returned' : 'nacked'
    }
  }

  async #onChannel(signal: AbortSignal, use: (channel: Channel) => Promise<unknown>): Promise<void> {
    await onChannel(await this.#connection.connected(signal), signal, DECLARE_TIMEOUT_MS, use)
  }
}
