// One confirm channel on the publishing connection, reopened when it dies, and what became of each publish on it.
import { orAbort, Semaphore } from '@cuckoo-distributed/wait'
import type { ChannelModel, ConfirmChannel } from 'amqplib'
import { describeError, errorCode, ServiceError, toError } from '../errors.js'
import type { HeaderTable } from '../headers.js'
import type { BrokerLink } from './link.js'

export interface Outgoing {
  readonly queue: string
  readonly body: Buffer
  readonly headers: HeaderTable
  /** Returned messages carry no delivery tag; this is how they are told apart. */
  readonly messageId: string
}

/** The broker may or may not have the message: no confirm in time, or the channel died first. */
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
  readonly channel: ConfirmChannel
  readonly returned: Set<string>
  lost: Error | undefined
}

interface Opening {
  readonly connection: ChannelModel
  readonly ready: Promise<OpenChannel>
  /** True once opening has failed, or the channel was closed. */
  isLost(): boolean
}

export class ConfirmLane {
  readonly #link: BrokerLink
  readonly #timeoutMs: number
  readonly #places: Semaphore
  #open: Opening | undefined

  constructor(link: BrokerLink, options: { timeoutMs: number; atATime: number }) {
    this.#link = link
    this.#timeoutMs = options.timeoutMs
    this.#places = new Semaphore(options.atATime)
  }

  /** Publishes once. Throws UnknownOutcomeError, BrokerSizeLimitError, or `signal.reason`. */
  async publish(message: Outgoing, signal: AbortSignal): Promise<PublishOutcome> {
    // A connection that hangs answers neither the opening of a channel nor a publish.
    return this.#places.run(signal, () => orAbort(this.#publishWhenOpen(message, signal), signal))
  }

  async #publishWhenOpen(message: Outgoing, signal: AbortSignal): Promise<PublishOutcome> {
    const connection = await this.#link.connected(signal)
    const open = await this.#channel(connection)
    signal.throwIfAborted()
    return this.#publishOn(open, message)
  }

  /** One for all who publish, however many of them find the last one lost. */
  #channel(connection: ChannelModel): Promise<OpenChannel> {
    if (this.#open?.connection !== connection || this.#open.isLost()) this.#open = openChannel(connection)
    return this.#open.ready
  }

  #publishOn(open: OpenChannel, message: Outgoing): Promise<PublishOutcome> {
    return new Promise((resolve, reject) => {
      const onDeadline = () => {
        if (this.#link.blocked) timer.refresh()
        else reject(new UnknownOutcomeError(`no confirm within ${this.#timeoutMs / 1000} s`))
      }
      const timer = setTimeout(onDeadline, this.#timeoutMs)
      const onAnswer = (refusal: unknown) => {
        clearTimeout(timer)
        // The return of an unroutable message comes before its confirm.
        if (open.returned.delete(message.messageId)) resolve('returned')
        else if (!refusal) resolve('confirmed')
        else if (toError(refusal).message === 'message nacked') resolve('nacked')
        // amqplib fails open confirms before it emits the channel's error: look a moment later why it closed.
        else setImmediate(() => reject(closedError(open, message, refusal)))
      }
      try {
        open.channel.publish('', message.queue, message.body, properties(message), onAnswer)
      } catch (thrown) {
        clearTimeout(timer)
        reject(open.lost || isClosed(thrown) ? new UnknownOutcomeError('the channel is closed', thrown) : thrown)
      }
    })
  }
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

function openChannel(connection: ChannelModel): Opening {
  let isLost = () => false
  const ready = watchedChannel(connection).then(
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

async function watchedChannel(connection: ChannelModel): Promise<OpenChannel> {
  const channel = await connection.createConfirmChannel()
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
