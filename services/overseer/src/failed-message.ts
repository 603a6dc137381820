// How the overseer's two stages read what they consume, and how they pass it on without changing it.
import {
  decodeFailedMessage,
  describeError,
  type FailedMessage,
  forward,
  InvalidMessageError,
  type Outcome,
  type StageContext,
  type Trail,
} from '@cuckoo-distributed/core'
import { backOff, delay } from '@cuckoo-distributed/wait'

/**
 * A failed message, whether wrapped as a FailedMsg or raw with its envelope in headers.
 * Throws InvalidMessageError; a message without a queue could only be lost.
 */
export function readFailed(body: Buffer, trail: Trail): FailedMessage {
  if (!trail.failed) return decodeFailedMessage(body)
  if (trail.failed.queue === '') throw new InvalidMessageError('x-failed-queue', 'is empty')
  return { ...trail.failed, body }
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
