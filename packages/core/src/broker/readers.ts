// Asks all readers of events something at once.
import { randomUUID } from 'node:crypto'
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import { errorCode } from '../errors.js'
import { readersExchange } from '../events.js'

/** The broker's way of answering without a queue (`rabbitmq/rabbitmq-server:deps/rabbit/src/rabbit_channel.erl`). */
const REPLY_TO = 'amq.rabbitmq.reply-to'

export interface ReadersQuestion {
  readonly failedQueue: string
  readonly question: Buffer
  /** Milliseconds. */
  readonly limitMs: number
  /** Hears each answer; true if no other is waited for. */
  hear(answer: Buffer): boolean
}

/** Resolves once `hear` has returned true, nobody listens, or `limitMs` is over. Rejects with the error of the broker. */
export async function askReaders(
  connection: ChannelModel,
  { failedQueue, question, limitMs, hear }: ReadersQuestion,
): Promise<void> {
  using limit = timeLimit(new AbortController().signal, limitMs, new Error('not everybody has answered in time'))
  const channel = await connection.createChannel()
  const asked = new Promise<void>((resolve, reject) => {
    const correlationId = randomUUID()
    const take = (message: ConsumeMessage | null) => {
      if (message?.properties.correlationId === correlationId && hear(message.content)) resolve()
    }
    channel.on('error', reject)
    channel.on('return', () => resolve())
    channel.consume(REPLY_TO, take, { noAck: true }).then(() => {
      const properties = { replyTo: REPLY_TO, correlationId, mandatory: true, expiration: limitMs }
      channel.publish(readersExchange(failedQueue), '', question, properties)
    }, reject)
  })
  try {
    await orAbort(asked, limit.signal)
  } catch (error: unknown) {
    // The exchange goes with its last listener.
    if (!limit.signal.aborted && errorCode(error) !== '404') throw error
  } finally {
    channel.close().catch(() => undefined) // an error has closed it already
  }
}
