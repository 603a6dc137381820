// How the suite's queues are declared. The Go suite declares them durable and without arguments; so do we by default.
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { Channel, ChannelModel } from 'amqplib'
import { errorCode, ServiceError, toError } from '../errors.js'
import type { Silence } from './silence.js'

export type QueueType = 'classic' | 'quorum'

/** A queue that this process's configuration names. `deadLetterTo` matters for quorum queues only. */
export interface OwnQueue {
  readonly name: string
  /** Whether this process takes messages out of it. */
  readonly isConsumed?: boolean
  readonly deadLetterTo?: string
}

/**
 * The queues of a stage's configuration; `ProducerQueue` may be empty. What quorum queues give up goes to `FailedQueue`,
 * and from there to `<FailedQueue>.lost`, which only exists for that.
 */
export function stageQueues(
  config: { readonly ConsumerQueue: string; readonly ProducerQueue: string; readonly FailedQueue: string },
  type: QueueType,
): OwnQueue[] {
  const { ConsumerQueue, ProducerQueue, FailedQueue } = config
  const work = [...new Set([ConsumerQueue, ProducerQueue])].filter(name => name !== '')
  const lost = { name: `${FailedQueue}.lost` }
  return [
    ...work.map(name => ({ name, isConsumed: name === ConsumerQueue, deadLetterTo: FailedQueue })),
    { name: FailedQueue, deadLetterTo: lost.name },
    ...(type === 'quorum' ? [lost] : []),
  ]
}

const DELIVERY_LIMIT = 1000

/**
 * The arguments of a declaration. Quorum queues refuse publishes rather than drop, dead-letter at least once, and have
 * an explicit delivery limit: RabbitMQ 4 has 20 by default and drops what exceeds it
 * (`rabbitmq/rabbitmq-server:release-notes/4.0.1.md`); `-1` drops at the first return on 3.10.
 */
function queueArguments(queue: OwnQueue, type: QueueType): Record<string, unknown> | undefined {
  if (type === 'classic') return undefined
  const base = { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish', 'x-delivery-limit': DELIVERY_LIMIT }
  if (queue.deadLetterTo === undefined) return base
  return {
    ...base,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': queue.deadLetterTo,
    'x-dead-letter-strategy': 'at-least-once',
  }
}

/** Declares one queue. Throws ServiceError (QUEUE_MISMATCH) where it exists with other arguments (AMQP 406); the channel is dead then, as it is after any other error. */
export async function declareQueue(channel: Channel, queue: OwnQueue, type: QueueType): Promise<void> {
  const args = queueArguments(queue, type)
  try {
    await channel.assertQueue(queue.name, { durable: true, ...(args && { arguments: args }) })
  } catch (thrown: unknown) {
    const cause = toError(thrown)
    if (errorCode(cause) !== '406') throw cause
    const problem =
      `queue "${queue.name}" exists with other arguments than QueueType "${type}" declares: ` +
      `either set "QueueType" to what it is, or delete the empty queue and start again`
    throw new ServiceError('QUEUE_MISMATCH', problem, { cause })
  }
}

/**
 * Declares queues on a new connection. Throws as `declareQueue` does, and when the broker has not answered all within
 * `limitMs` milliseconds, default 30 s: another broker may.
 */
export async function declareQueues(
  connection: ChannelModel,
  queues: readonly OwnQueue[],
  options: { readonly type: QueueType; readonly silence: Silence; readonly limitMs?: number | undefined },
): Promise<void> {
  const { type, silence, limitMs = 30_000 } = options
  await onChannel(connection, new AbortController().signal, limitMs, async channel => {
    for (const queue of queues) {
      await silence.answered(`declaration of "${queue.name}"`, declareQueue(channel, queue, type))
    }
  })
}

/** Opens a channel for `use` and closes it again. Rejects with `signal.reason`, or after `limitMs` milliseconds. */
export async function onChannel<T>(
  connection: ChannelModel,
  signal: AbortSignal,
  limitMs: number,
  use: (channel: Channel) => Promise<T>,
): Promise<T> {
  using limit = timeLimit(signal, limitMs, new Error(`no answer within ${limitMs / 1000} s`))
  const channel = await orAbort(connection.createChannel(), limit.signal)
  channel.on('error', () => undefined) // the same error rejects what is awaited here
  try {
    return await orAbort(use(channel), limit.signal)
  } finally {
    channel.close().catch(() => undefined) // an error has closed it already
  }
}
