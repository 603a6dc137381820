// One confirm channel on the publishing connection, reopened when it dies, and what became of each publish on it.
import { orAbort, Semaphore } from '@cuckoo-distributed/wait'
import type { ConfirmChannel as AmqpChannel, ChannelModel } from 'amqplib'
import { describeError, errorCode, ServiceError, toError } from '../errors.js'
import type { HeaderTable } from '../headers.js'
import type { BrokerConnection } from './connection.js'
import type { Silence } from './silence.js'
import type { Sending, Unanswered } from './unanswered.js'

export interface Outgoing {
  readonly queue: string
  readonly body: Buffer
  readonly headers: HeaderTable
  /** Returned messages carry no delivery tag; this is how they are told apart. */
  readonly messageId: string
  /** When the delivery came that it follows from (`performance.now`). */
  readonly arrivedAt?: number | undefined
  /** Called whenever it is about to be sent; what it throws is thrown in place of sending it. */
  readonly admit?: (() => void) | undefined
}

/** The channel died before the broker had answered: it may or may not have the message. */
export class UnknownOutcomeError extends ServiceError {
  constructor(why: string, cause?: unknown) {
    super('UNKNOWN_OUTCOME', `publish without an answer: ${why}`, { cause })
  }
}

/** The broker's own size limit is below `MaxMessageSize`. */
export class BrokerSizeLimitError extends ServiceError {
  constructor(queue: string, bytes: number, cause: Error) {
    super(
      'MESSAGE_TOO_LARGE',
      `the broker refuses a message of ${bytes} bytes for "${queue}": its max_message_size is below MaxMessageSize`,
      { cause },
    )
  }
}

export type PublishOutcome = 'confirmed' | 'returned' | 'nacked'

interface OpenChannel {
  readonly channel: AmqpChannel
  readonly returned: Set<string>
  lost: Error | undefined
}

interface Opening {
  readonly connection: ChannelModel
  readonly ready: Promise<OpenChannel>
  /** True once opening has failed, or the channel was closed. */
  isLost(): boolean
}

export interface ConfirmChannelOptions {
  readonly connection: Pick<BrokerConnection, 'connected' | 'readingTime'>
  readonly silence: Silence
  readonly unanswered: Unanswered
  /** Publishes that may wait for their answers at a time. */
  readonly places: number
  /** How long a publish keeps its place, in milliseconds in which the broker read from us. It listens on without it. */
  readonly patienceMs: number
}

export class ConfirmChannel {
  readonly #options: ConfirmChannelOptions
  readonly #places: Semaphore
  #open: Opening | undefined

  constructor(options: ConfirmChannelOptions) {
    this.#options = options
    this.#places = new Semaphore(options.places)
  }

  /**
   * Publishes once, and waits for the answer as long as the channel lives: a broker that hangs may hold the message, and a
   * repeat would then be there as well. While its queue is silent the message is not sent, and keeps no place meanwhile.
   * Throws UnknownOutcomeError, BrokerSizeLimitError, what `admit` throws, or `signal.reason`.
   */
  async publish(message: Outgoing, signal: AbortSignal): Promise<PublishOutcome> {
    const sending = await this.#options.unanswered.take(message.queue, message.body.length, signal)
    let answer: Promise<PublishOutcome> | undefined
    let leave = () => {}
    let stopWatching = () => {}
    try {
      leave = await this.#placeFor(sending, message, signal)
      const open = await orAbort(this.#opened(signal), signal)
      signal.throwIfAborted()
      message.admit?.()
      answer = this.#publishOn(open, message)
      sending.begin()
      stopWatching = this.#watch(message.queue, leave)
      return await orAbort(answer, signal)
    } finally {
      stopWatching()
      leave()
      void Promise.allSettled([answer]).then(([{ status }]) =>
        sending.end(answer !== undefined && status === 'fulfilled'),
      )
    }
  }

  async #placeFor(sending: Sending, { arrivedAt }: Outgoing, signal: AbortSignal): Promise<() => void> {
    for (;;) {
      await sending.admitted(signal, arrivedAt)
      const leave = await this.#places.acquire(signal)
      if (sending.isAdmitted) return leave
      leave()
    }
  }

  /** Names a publish that is not answered, and then takes its place from it. Returns what ends the watch. */
  #watch(queue: string, leave: () => void): () => void {
    const { connection, silence, patienceMs } = this.#options
    const step = confirmFrom(queue)
    let end = connection.readingTime.after(silence.afterMs, () => {
      silence.begin(step)
      end = connection.readingTime.after(Math.max(0, patienceMs - silence.afterMs), leave)
    })
    return () => end()
  }

  async #opened(signal: AbortSignal): Promise<OpenChannel> {
    const connection = await this.#options.connection.connected(signal)
    // One for all who publish, however many of them find the last one lost.
    if (this.#open?.connection !== connection || this.#open.isLost()) {
      this.#open = openChannel(connection, this.#options.silence)
    }
    return this.#open.ready
  }

  #publishOn(open: OpenChannel, message: Outgoing): Promise<PublishOutcome> {
    return new Promise((resolve, reject) => {
      const onAnswer = (refusal: unknown) => {
        // The return of an unroutable message comes before its confirm.
        if (open.returned.delete(message.messageId)) resolve('returned')
        else if (!refusal) resolve('confirmed')
        else if (toError(refusal).message === 'message nacked') resolve('nacked')
        // amqplib fails open confirms before it emits the channel's error: look a moment later why it closed.
        else return void setImmediate(() => reject(closedError(open, message, refusal)))
        this.#options.silence.end(confirmFrom(message.queue))
      }
      try {
        open.channel.publish('', message.queue, message.body, properties(message), onAnswer)
      } catch (thrown: unknown) {
        reject(open.lost || isClosed(thrown) ? new UnknownOutcomeError('the channel is closed', thrown) : thrown)
      }
    })
  }
}

function confirmFrom(queue: string): string {
  return `confirm of a message for "${queue}"`
}

function properties(message: Outgoing) {
  return {
    persistent: true,
    mandatory: true,
    contentType: 'application/json',
    messageId: message.messageId,
    headers: message.headers,
  }
}

function openChannel(connection: ChannelModel, silence: Silence): Opening {
  let isLost = () => false
  const ready = watchedChannel(connection, silence).then(
    open => {
      isLost = () => open.lost !== undefined
      return open
    },
    thrown => {
      isLost = () => true
      throw new UnknownOutcomeError('no channel', thrown)
    },
  )
  return { connection, ready, isLost: () => isLost() }
}

async function watchedChannel(connection: ChannelModel, silence: Silence): Promise<OpenChannel> {
  const channel = await silence.answered('opening a channel for publishing', connection.createConfirmChannel())
  const open: OpenChannel = { channel, returned: new Set(), lost: undefined }
  channel.on('return', message => {
    const id: unknown = message.properties.messageId
    if (typeof id === 'string') open.returned.add(id)
  })
  channel.on('error', error => {
    open.lost = error
  })
  channel.on('close', () => {
    open.lost ??= new Error('the channel was closed')
  })
  return open
}

function closedError(open: OpenChannel, message: Outgoing, refusal: unknown): Error {
  const cause = open.lost ?? toError(refusal)
  // What was in flight beside the message that is too large has lost its channel, no more.
  if (errorCode(cause) === '406' && message.body.length > sizeLimit(cause.message)) {
    return new BrokerSizeLimitError(message.queue, message.body.length, cause)
  }
  return new UnknownOutcomeError(describeError(cause), cause)
}

/** "message size 5 is larger than configured max size 4" (`rabbitmq/rabbitmq-server:deps/rabbit/src/rabbit_channel.erl`). */
function sizeLimit(text: string): number {
  return Number(/message size \d+ is larger than .*max size (\d+)/.exec(text)?.[1] ?? Number.POSITIVE_INFINITY)
}

function isClosed(thrown: unknown): boolean {
  return toError(thrown).name === 'IllegalOperationError'
}
