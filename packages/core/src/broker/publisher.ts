// Publishes persistent and mandatory, and resolves only when the broker has confirmed.
import { randomUUID } from 'node:crypto'
import { backOff, delay, orAbort } from '@cuckoo-distributed/wait'
import { ServiceError } from '../errors.js'
import { type HeaderTable, SEEN } from '../headers.js'
import type { Logger } from '../logger.js'
import { ConfirmLane, type Outgoing, UnknownOutcomeError } from './confirm-lane.js'
import { BrokerLink, type TlsFiles } from './link.js'
import { declareQueue, type OwnQueue, type QueueType } from './queues.js'

/** Bodies above this share no channel with others: an oversize publish closes the channel and fails what is in flight. */
const LARGE_BODY_BYTES = 1024 * 1024

/** The body is larger than `MaxMessageSize`; nothing was sent. */
export class MessageTooLargeError extends ServiceError {
  constructor(queue: string, bytes: number, limit: number) {
    super('MESSAGE_TOO_LARGE', `a message of ${bytes} bytes for "${queue}" is above MaxMessageSize (${limit} bytes)`)
  }
}

/** The broker returned the message (no such queue) or refused it (nack), and declaring the queue did not help. */
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
   * A publish whose outcome is unknown (deadline, connection lost) is repeated, same bytes and same message id but
   * marked as seen, for it may be there twice, with back-off until `signal` is aborted; then it rejects with `signal.reason`.
   * `maxBytes` is `maxMessageSize` unless a body goes back as it came: what came through the broker is not too large.
   * Throws MessageTooLargeError, BrokerSizeLimitError and UndeliverableError.
   */
  async publish(
    queue: string,
    body: Buffer,
    headers: HeaderTable,
    signal: AbortSignal,
    maxBytes = this.#options.maxMessageSize,
  ): Promise<void> {
    if (body.length > maxBytes) throw new MessageTooLargeError(queue, body.length, maxBytes)
    const message: Outgoing = { queue, body, headers, messageId: randomUUID() }
    const lane = body.length > LARGE_BODY_BYTES ? this.#large : this.#small
    const outcome = await this.#untilKnown(lane, message, signal)
    if (outcome === 'confirmed') return
    const own = this.#options.queues.find(candidate => candidate.name === queue)
    if (!own) throw new UndeliverableError(queue, outcome)
    await orAbort(this.#declare(own, signal), signal)
    const again = await this.#untilKnown(lane, message, signal)
    if (again !== 'confirmed') throw new UndeliverableError(queue, again)
  }

  async #untilKnown(lane: ConfirmLane, message: Outgoing, signal: AbortSignal) {
    const pause = backOff({ initialMs: 100, maxMs: 10_000 })
    for (let sent = message; ; sent = { ...message, headers: { ...message.headers, ...SEEN } }) {
      try {
        return await lane.publish(sent, signal)
      } catch (error) {
        if (!(error instanceof UnknownOutcomeError)) throw error
        this.#options.log.warn(
          { queue: message.queue, cause: error.message },
          'a publish was not confirmed; repeating it',
        )
      }
      await delay(pause.next(), signal)
    }
  }

  async #declare(queue: OwnQueue, signal: AbortSignal): Promise<void> {
    const connection = await this.#link.connected(signal)
    const channel = await connection.createChannel()
    channel.on('error', () => undefined) // the same error rejects the declaration
    try {
      await declareQueue(channel, queue, this.#options.queueType)
    } finally {
      await channel.close().catch(() => undefined) // an error has closed it already
    }
  }
}
