// How the overseer's two stages read what they consume, and how they pass it on without changing it.
import {
  asNumber,
  decodeFailedMessage,
  describeError,
  type FailedMessage,
  forward,
  InvalidMessageError,
  type MessageHeaders,
  type Note,
  type Outcome,
  type StageContext,
} from '@cuckoo-distributed/core'
import { backOff, delay } from '@cuckoo-distributed/wait'

/** When a retry is due, in milliseconds since 1970. On a message only while it is in a delay queue. */
export const DUE: Note<number> = { header: 'x-due', read: asNumber }

/**
 * A failed message, whether wrapped as a FailedMsg or raw with its envelope in headers.
 * Throws InvalidMessageError; a message without a queue could only be lost.
 */
export function readFailed(body: Buffer, headers: MessageHeaders): FailedMessage {
  if (!headers.failed) return decodeFailedMessage(body)
  if (headers.failed.queue === '') throw new InvalidMessageError('x-failed-queue', 'is empty')
  return { ...headers.failed, body }
}

/**
 * Passes the message as it is to one of the overseer's own queues. A queue that refuses even what came through the broker
 * is asked again, with back-off, as long as the message may wait: a failure would wrap it into a second FailedMsg.
 */
export function passOn(queue: string, context: StageContext): Outcome {
  const pause = backOff({ initialMs: 500, maxMs: 15_000 })
  const askAgain = async (refusal: Error): Promise<Outcome> => {
    context.log.warn({ target: queue, cause: describeError(refusal) }, 'a queue refuses the message; asking again')
    await delay(pause.next(), context.waiting)
    return outcome
  }
  const outcome = forward(queue, context.delivery.body, { carry: 'all', orElse: askAgain })
  return outcome
}
