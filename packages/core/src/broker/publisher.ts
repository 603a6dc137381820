// Publishes persistent and mandatory, and resolves only when the broker has confirmed.
import { randomUUID } from 'node:crypto'
import { backOff, delay, orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { Channel } from 'amqplib'
import { describeError, ServiceError } from '../errors.js'
import { type HeaderTable, SEEN } from '../headers.js'
import type { Logger } from '../logger.js'
import { ConfirmLane, type Outgoing, type PublishOutcome, UnknownOutcomeError } from './confirm-lane.js'
import { BrokerLink, type TlsFiles } from './link.js'
import { declareQueue, type OwnQueue, type QueueType } from './queues.js'

/** Bodies above this share no channel with others: an oversize publish closes the channel and fails what is in flight. */
const LARGE_BODY_BYTES = 1024 * 1024
const DECLARE_TIMEOUT_MS = 10_000

/** The body is larger than `MaxMessageSize`; nothing was sent. */
export class MessageTooLargeError extends ServiceError {
  constructor(queue: string, bytes: number, limit: number) {
    super('MESSAGE_TOO_LARGE', `a message of ${bytes} bytes for "${queue}" is above MaxMessageSize (${limit} bytes)`)
  }
}

/** A queue that is not ours does not exist (`returned`), or does not take the message at present (`nacked`). */
export class UndeliverableError extends ServiceError {
  readonly why: 'returned' | 'nacked'
  constructor(queue: string, why: 'returned' | 'nacked') {
    const meaning = why === 'returned' ? 'there is no such queue' : 'the queue refused it (it is full or unavailable)'
    super('UNDELIVERABLE', `the broker ${why} a message for "${queue}": ${meaning}`)
    this.why = why
  }
}

export interface PublisherOptions {
  readonly url: string
  readonly tls?: TlsFiles | undefined
  readonly name: string
  readonly log: Logger
  readonly queues: readonly OwnQueue[]
  readonly queueType: QueueType
  /** Bytes of one body; more is refused before anything is sent. */
  readonly maxMessageSize: number
  /** How long a confirm is waited for, in milliseconds; stands still while the broker is blocked. */
  readonly confirmTimeoutMs?: number
}

export class Publisher {
  readonly #options: PublisherOptions
  readonly #link: BrokerLink
  readonly #small: ConfirmLane
  readonly #large: ConfirmLane

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#link = new BrokerLink({
      url: options.url,
      tls: options.tls,
      name: options.name,
      log: options.log.child({ connection: 'publishing' }),
      setUp: async () => undefined,
    })
    const timeoutMs = options.confirmTimeoutMs ?? 30_000
    this.#small = new ConfirmLane(this.#link, { timeoutMs, atATime: 2000 })
    this.#large = new ConfirmLane(this.#link, { timeoutMs, atATime: 1 })
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#link.open(signal)
  }

  close(): Promise<void> {
    return this.#link.close()
  }

  /**
   * Publishes to a queue and resolves when the broker has it on disk.
   * What is not confirmed is published again with back-off, same bytes and same message id, until `signal` is aborted; then
   * it rejects with `signal.reason`. That holds for an unknown outcome (deadline, connection lost) and for an own queue
   * that refuses: it was deleted and is declared again, it is full, or it has no leader at present. A repeat is marked as
   * seen unless the broker said that the message went nowhere: it may be there twice.
   * `maxBytes` is `maxMessageSize` unless a body goes back as it came: what came through the broker is not too large.
   * Throws MessageTooLargeError, BrokerSizeLimitError and, for a queue that is not ours, UndeliverableError.
   */
  async publish(
    queue: string,
    body: Buffer,
    headers: HeaderTable,
    signal: AbortSignal,
    maxBytes = this.#options.maxMessageSize,
  ): Promise<void> {
    if (body.length > maxBytes) throw new MessageTooLargeError(queue, body.length, maxBytes)
    const own = this.#options.queues.find(candidate => candidate.name === queue)
    const lane = body.length > LARGE_BODY_BYTES ? this.#large : this.#small
    const pause = backOff({ initialMs: 100, maxMs: 10_000 })
    let message: Outgoing = { queue, body, headers, messageId: randomUUID() }
    for (;;) {
      const outcome = await this.#publishOnce(lane, message, signal)
      if (outcome === 'confirmed') return
      if (outcome !== 'returned') message = { ...message, headers: { ...headers, ...SEEN } }
      if (outcome !== 'unknown') {
        if (!own) throw new UndeliverableError(queue, await this.#reasonOf(queue, outcome, signal))
        this.#options.log.warn({ queue, outcome }, 'the queue does not take a message; declaring it and trying again')
        await this.#declareAgain(own, signal)
      }
      await delay(pause.next(), signal)
    }
  }

  async #publishOnce(lane: ConfirmLane, message: Outgoing, signal: AbortSignal): Promise<PublishOutcome | 'unknown'> {
    try {
      return await lane.publish(message, signal)
    } catch (error) {
      if (!(error instanceof UnknownOutcomeError)) throw error
      this.#options.log.warn(
        { queue: message.queue, cause: error.message },
        'a publish was not confirmed; repeating it',
      )
      return 'unknown'
    }
  }

  /** That it fails changes nothing: a queue that exists with other arguments is one that is full or unavailable. */
  async #declareAgain(queue: OwnQueue, signal: AbortSignal): Promise<void> {
    try {
      await this.#onChannel(signal, channel => declareQueue(channel, queue, this.#options.queueType))
    } catch (error) {
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
    } catch (error) {
      signal.throwIfAborted()
      return /NOT_FOUND - no queue/.test(describeError(error)) ? 'returned' : 'nacked'
    }
  }

  async #onChannel(signal: AbortSignal, use: (channel: Channel) => Promise<unknown>): Promise<void> {
    const limit = timeLimit(signal, DECLARE_TIMEOUT_MS, new Error(`no answer within ${DECLARE_TIMEOUT_MS / 1000} s`))
    try {
      const connection = await this.#link.connected(limit.signal)
      const channel = await orAbort(connection.createChannel(), limit.signal)
      channel.on('error', () => undefined) // the same error rejects what is awaited here
      try {
        await orAbort(use(channel), limit.signal)
      } finally {
        channel.close().catch(() => undefined) // an error has closed it already
      }
    } finally {
      limit.dispose()
    }
  }
}
