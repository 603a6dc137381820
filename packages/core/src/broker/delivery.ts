// A delivery in work: the message, the channel that brought it, and the two signals that end waiting and working on it.
import type { Channel, ConsumeMessage } from 'amqplib'
import { ChannelLost, HoldLimitReached, toError } from '../errors.js'
import { type MessageHeaders, readHeaders } from '../headers.js'
import type { Logger } from '../logger.js'
import type { BoundStage, Delivery, StageContext } from '../stage.js'
import { type Arrival, type Happening, NO_TELEMETRY, type Subject, type Telemetry } from '../telemetry.js'

const NOTHING = Buffer.alloc(0)

/** One channel with a consumer, from its opening to its loss. A delivery may only be acknowledged on its own session. */
export class Session {
  readonly channel: Channel
  /** Of the consumer; 0 before there is one. */
  prefetch = 0
  /** It is about to be replaced. */
  isOld = false
  readonly #deliveries = new Set<LiveDelivery>()
  #lost: ChannelLost | undefined

  constructor(channel: Channel) {
    this.channel = channel
  }

  get lost(): ChannelLost | undefined {
    return this.#lost
  }

  /** The channel is gone: the broker gives every unsettled delivery to someone else, so work on them must end. */
  lose(cause: unknown): void {
    this.#lost ??= new ChannelLost(cause)
    for (const delivery of this.#deliveries) delivery.end(this.#lost)
  }

  add(delivery: LiveDelivery): void {
    this.#deliveries.add(delivery)
  }

  remove(delivery: LiveDelivery): void {
    this.#deliveries.delete(delivery)
  }

  /** Hands back a message that nobody has worked on. */
  giveBack(message: ConsumeMessage): void {
    if (!this.#lost) this.channel.nack(message, false, true)
  }

  /** Resolves when the broker has read everything sent on this channel so far, acks included. */
  async roundTrip(): Promise<void> {
    await this.channel.prefetch(this.prefetch)
  }
}

/** What telemetry is told of a message before it is worked on. */
export function arrivalOf({ properties, content }: ConsumeMessage, { queue, isWait = false }: BoundStage): Arrival {
  const messageId: unknown = properties.messageId
  return {
    ...{ queue, headers: properties.headers ?? {}, isWait, bytes: content.length },
    messageId: typeof messageId === 'string' ? messageId : undefined,
  }
}

export interface DeliveryOptions {
  readonly queue: string
  readonly isCostly: boolean
  /** See BoundStage. */
  readonly isDelay?: boolean | undefined
  readonly holdLimitMs: number
  readonly log: Logger
  readonly telemetry?: Telemetry | undefined
}

export class LiveDelivery implements Disposable, Delivery, StageContext {
  readonly queue: string
  readonly redelivered: boolean
  readonly mayBeRepeat: boolean
  readonly headers: MessageHeaders
  /** See StageDefinition. */
  readonly isCostly: boolean
  /** When it was received (`performance.now`). */
  readonly arrivedAt = performance.now()
  readonly #session: Session
  readonly #message: ConsumeMessage
  readonly #waiting = new AbortController()
  readonly #working = new AbortController()
  readonly #holdEnds: number
  readonly #holdTimer: NodeJS.Timeout | undefined
  readonly #telemetry: Telemetry
  #log: Logger
  #subject: Subject
  readonly #isDelay: boolean
  #isAnnounced = false

  constructor(session: Session, message: ConsumeMessage, options: DeliveryOptions) {
    this.queue = options.queue
    this.isCostly = options.isCostly
    this.#isDelay = options.isDelay ?? false
    this.redelivered = message.fields.redelivered
    this.headers = readHeaders(message.properties.headers)
    this.mayBeRepeat = this.redelivered || this.headers.seen
    this.#log = options.log
    this.#telemetry = options.telemetry ?? NO_TELEMETRY
    this.#subject = { queue: options.queue }
    this.#session = session
    this.#message = message
    this.#holdEnds = this.arrivedAt + options.holdLimitMs
    if (Number.isFinite(options.holdLimitMs)) {
      this.#holdTimer = setTimeout(() => this.endWaiting(new HoldLimitReached()), options.holdLimitMs)
    }
    session.add(this)
  }

  /** Empty once it was let go of. */
  get body(): Buffer {
    return this.#message.content
  }

  /** For a message that will be given back: nothing else may be done with it any more. */
  letGoOfBody(): void {
    this.#message.content = NOTHING
  }

  /** Itself, as a stage sees it. */
  get delivery(): Delivery {
    return this
  }

  get log(): Logger {
    return this.#log
  }

  describe(bindings: Subject & Record<string, unknown>): void {
    const { analysisId, md5, taskId, cuckoo, attempt } = bindings
    const known = Object.entries({ analysisId, md5, taskId, cuckoo, attempt }).filter(
      ([, value]) => value !== undefined,
    )
    this.#subject = { ...this.#subject, ...Object.fromEntries(known) }
    this.#log = this.#log.child(bindings)
    this.announce()
  }

  /** Says once that it was received: as soon as it is known what it is about, or that this will not be known. */
  announce(): void {
    if (this.#isAnnounced) return
    this.#isAnnounced = true
    this.#log.info({ bytes: this.body.length, redelivered: this.redelivered }, 'received')
    if (!this.#isDelay) this.tell({ event: 'received' })
  }

  tell(happening: Happening): void {
    this.#telemetry.happened(this.#subject, happening)
  }

  markBegun(): void {
    this.headers.seen = true
  }

  get waiting(): AbortSignal {
    return this.#waiting.signal
  }

  get working(): AbortSignal {
    return this.#working.signal
  }

  get lost(): ChannelLost | undefined {
    return this.#session.lost
  }

  isOf(session: Session): boolean {
    return this.#session === session
  }

  /** Milliseconds until `HoldLimit` is over; negative afterwards. */
  get holdLeftMs(): number {
    return this.#holdEnds - performance.now()
  }

  endWaiting(reason: Error): void {
    this.#waiting.abort(reason)
  }

  end(reason: Error): void {
    this.#waiting.abort(reason)
    this.#working.abort(reason)
  }

  /** Must be called when nothing more will be done with the delivery. */
  [Symbol.dispose](): void {
    clearTimeout(this.#holdTimer)
    this.#session.remove(this)
  }

  /** False when the channel is gone and the broker will deliver the message again. */
  ack(): boolean {
    return this.#settled('ack', channel => channel.ack(this.#message))
  }

  /** Hands the message back to its queue without ending the channel. False when the channel is gone. */
  giveBack(): boolean {
    return this.#settled('nack', channel => channel.nack(this.#message, false, true))
  }

  roundTrip(): Promise<void> {
    return this.#session.roundTrip()
  }

  #settled(how: 'ack' | 'nack', settle: (channel: Channel) => void): boolean {
    if (this.#session.lost) return false
    try {
      settle(this.#session.channel)
      this.#telemetry.settled?.(this.queue, how)
      return true
    } catch (thrown: unknown) {
      this.#session.lose(toError(thrown)) // amqplib throws only when the channel is closed
      return false
    }
  }
}
