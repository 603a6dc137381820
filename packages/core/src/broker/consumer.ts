// Consumes one queue for one stage: each delivery is handled at once (prefetch is the concurrency) and settled.
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import { StopRequested, toError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { BoundStage } from '../stage.js'
import type { Telemetry } from '../telemetry.js'
import { arrivalOf, LiveDelivery, Session } from './delivery.js'
import type { Doubt } from './publisher.js'
import { type Result, type SettleOptions, settle } from './settle.js'
import type { Silence } from './silence.js'
import { Window } from './window.js'

/** How long the broker may take to say that it has read every ack. */
const LAST_ANSWER_MS = 1_000
/** Late answers come together: time to acknowledge what was sent before a silence, in case it was none of a cut. */
const LAST_ACKS_MS = 1_000

export interface ConsumerOptions extends SettleOptions {
  readonly log: Logger
  readonly silence: Silence
  readonly telemetry?: Telemetry | undefined
  readonly holdLimitMs: number
  /** Ends working on every delivery. */
  readonly force: AbortSignal
  /** Told when the consumer has lost its channel or was cancelled by the broker, and needs to be set up again. */
  onLost(cause: Error): void
}

export class Consumer {
  readonly #stage: BoundStage
  readonly #options: ConsumerOptions
  readonly #log: Logger
  readonly #inWork = new Set<LiveDelivery>()
  readonly #idleWaiters = new Set<() => void>()
  readonly #window: Window
  #session: Session | undefined
  #tag: string | undefined
  #switching: Promise<void> = Promise.resolve()

  constructor(stage: BoundStage, options: ConsumerOptions) {
    this.#stage = stage
    this.#options = options
    this.#log = options.log.child({ queue: stage.queue })
    const { prefetch, bytesInHand = Number.POSITIVE_INFINITY } = stage
    this.#window = new Window({ prefetch, bytes: bytesInHand, largest: options.maxMessageSize })
    stage.intake?.onChange(() => this.#follow())
    if (!stage.isCostly) options.publisher.onDoubt(doubt => this.#renew(doubt))
    options.stop.addEventListener('abort', () => this.#stop(), { once: true })
    options.force.addEventListener('abort', () => this.#force(), { once: true })
  }

  /** Deliveries that are not settled yet. */
  get inWork(): number {
    return this.#inWork.size
  }

  /** `isAsWanted`: it consumes, or the stage wants no messages, or there is no room for any. */
  get state(): { readonly queue: string; readonly isConsuming: boolean; readonly isAsWanted: boolean } {
    const isLive = this.#session !== undefined && !this.#session.lost
    const isConsuming = this.#tag !== undefined
    const isAsWanted = isLive && (isConsuming || !this.#isWanted || this.#window.room === 0)
    return { queue: this.#stage.queue, isConsuming, isAsWanted }
  }

  get #isWanted(): boolean {
    return (this.#stage.intake?.isOpen ?? true) && !this.#options.stop.aborted
  }

  /** Opens the channel and starts to consume; runs on every new connection. */
  async setUp(connection: ChannelModel): Promise<void> {
    this.#session = await this.#answered('opening a channel', this.#openSession(connection))
    this.#tag = undefined
    await this.#follow()
  }

  /** The connection is gone: nothing that came over it can be settled any more. */
  lose(cause: Error): void {
    this.#session?.lose(cause)
    this.#session = undefined
    this.#tag = undefined
  }

  /**
   * Resolves when no delivery is in work and the broker has read every ack, or has not said so for a second. To be
   * called after `stop`. The channel is closed by itself: on a closing connection acks may be overtaken by the close.
   */
  async drain(): Promise<void> {
    if (this.#inWork.size > 0) await new Promise<void>(resolve => this.#idleWaiters.add(resolve))
    const session = this.#session
    this.#session = undefined
    if (!session || session.lost) return
    session.lose(new StopRequested())
    using limit = timeLimit(new AbortController().signal, LAST_ANSWER_MS, new Error('the broker does not answer'))
    try {
      await orAbort(session.channel.close(), limit.signal)
    } catch (error: unknown) {
      this.#log.warn({ err: error }, 'the connection was lost at the end; the broker may deliver messages again')
    }
  }

  #answered<T>(step: string, answer: Promise<T>): Promise<T> {
    return this.#options.silence.answered(`${step} for "${this.#stage.queue}"`, answer)
  }

  async #openSession(connection: ChannelModel): Promise<Session> {
    const channel = await connection.createChannel()
    const session = new Session(channel)
    this.#watch(channel, session)
    return session
  }

  #watch(channel: Channel, session: Session): void {
    const lose = (cause: Error) => {
      if (session.lost) return
      session.lose(cause)
      this.#options.onLost(cause)
    }
    channel.on('error', error => lose(error))
    channel.on('close', () => lose(new Error('the broker closed the channel')))
  }

  /** Consumes while the stage wants messages and there is room for them, and cancels the consumer while it does not. */
  #follow(): Promise<void> {
    this.#switching = this.#switching.then(() => this.#switch())
    return this.#switching
  }

  async #switch(): Promise<void> {
    const session = this.#session
    if (!session || session.lost) return
    const wanted = this.#isWanted
    const tag = this.#tag
    try {
      if (tag !== undefined && (!wanted || this.#window.isOff(session.prefetch))) {
        this.#tag = undefined
        await this.#answered('basic.cancel', session.channel.cancel(tag))
      }
      const { room } = this.#window
      if (wanted && this.#tag === undefined && room > 0) await this.#consume(session, room)
    } catch (error: unknown) {
      if (!session.lost) this.#options.onLost(toError(error))
    }
  }

  /** A prefetch counts for the consumers to come. */
  async #consume(session: Session, prefetch: number): Promise<void> {
    session.prefetch = prefetch
    await this.#answered('basic.qos', session.channel.prefetch(prefetch))
    const receive = (message: ConsumeMessage | null) => this.#receive(session, message)
    const consuming = this.#answered('basic.consume', session.channel.consume(this.#stage.queue, receive))
    this.#tag = (await consuming).consumerTag
  }

  /** Has the broker send more or fewer messages at a time, if their sizes have changed. */
  #adapt(): void {
    const prefetch = this.#tag === undefined ? 0 : (this.#session?.prefetch ?? 0)
    if (this.#window.isOff(prefetch)) void this.#follow()
  }

  #receive(session: Session, message: ConsumeMessage | null): void {
    if (message === null) {
      this.#options.onLost(new Error(`the broker cancelled the consumer of "${this.#stage.queue}"`))
      return
    }
    // What still arrives while the process stops is left to the broker.
    if (this.#options.stop.aborted) return
    if (message.fields.redelivered) this.#noteCopyOf(session, message.content)
    const isTaken = this.#window.take(message.content.length)
    this.#adapt()
    if (isTaken) void this.#work(session, message)
    // A moment later the consumer's cancel is on its way: what goes back before that comes again at once. The body is not kept.
    else setImmediate(tag => session.giveBack(tag), { ...message, content: Buffer.alloc(0) })
  }

  /** What comes again while it is in hand was taken away by a broker that had lost sight of this channel. */
  #noteCopyOf(session: Session, body: Buffer): void {
    for (const delivery of this.#inWork) {
      if (delivery.isOf(session) && delivery.body.equals(body)) this.#options.publisher.cameAgain(delivery.arrivedAt)
    }
  }

  /**
   * A channel that has sent 32 acks to a leader which was deposed meanwhile never sends another one, and says nothing
   * (`rabbitmq/rabbitmq-server:deps/rabbit/src/rabbit_fifo_client.erl`, `slow`). A new channel knows the new leader.
   */
  #renew({ cause, isCertain }: Doubt): void {
    const session = this.#session
    if (!session || (session.isOld && !isCertain)) return
    session.isOld = true
    const timer = setTimeout(
      () => {
        if (this.#session === session && !session.lost && !this.#options.stop.aborted)
          this.#options.onLost(new Error(cause))
      },
      isCertain ? 0 : LAST_ACKS_MS,
    )
    timer.unref()
  }

  async #work(session: Session, message: ConsumeMessage): Promise<void> {
    const bytes = message.content.length
    const { queue, isCostly = false, isDelay } = this.#stage
    using delivery = new LiveDelivery(session, message, {
      ...{ queue, isCostly, isDelay },
      holdLimitMs: this.#stage.holdLimitMs ?? this.#options.holdLimitMs,
      log: this.#log,
      telemetry: this.#options.telemetry,
    })
    this.#inWork.add(delivery)
    const work = async () => settle(delivery, await this.#handle(delivery), this.#options)
    try {
      await (this.#options.telemetry?.working?.(arrivalOf(message, this.#stage), work) ?? work())
    } finally {
      this.#inWork.delete(delivery)
      this.#options.telemetry?.took?.('delivery', delivery.queue, (performance.now() - delivery.arrivedAt) / 1000)
      this.#window.leave(bytes)
      this.#adapt()
      if (this.#inWork.size === 0) this.#announceIdle()
    }
  }

  async #handle(delivery: LiveDelivery): Promise<Result> {
    try {
      return await this.#stage.run(delivery)
    } catch (error: unknown) {
      return { kind: 'threw', error }
    } finally {
      delivery.announce()
    }
  }

  #stop(): void {
    void this.#follow()
    for (const delivery of this.#inWork) delivery.endWaiting(new StopRequested())
  }

  #force(): void {
    for (const delivery of this.#inWork) {
      delivery.log.warn('the drain time is over; the message is returned')
      delivery.tell({ event: 'given back', reason: 'the drain time is over' })
      delivery.end(new StopRequested())
    }
  }

  #announceIdle(): void {
    for (const resolve of this.#idleWaiters) resolve()
    this.#idleWaiters.clear()
  }
}
