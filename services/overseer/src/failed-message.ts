// How the overseer's two stages read what they consume, and how they pass it on without changing it.
import { isUtf8 } from 'node:buffer'
import {
  asNumber,
  decodeFailedMessage,
  describeError,
  type FailedFields,
  forward,
  InvalidMessageError,
  type MessageHeaders,
  type Note,
  type Outcome,
  type StageContext,
} from '@cuckoo-distributed/core'
import { cutString } from '@cuckoo-distributed/json-scanner'
import { backOff, delay } from '@cuckoo-distributed/wait'
import { Body } from './body.js'

/** When a retry is due, in milliseconds since 1970. On a message only while it is in a delay queue. */
export const DUE: Note<number> = { header: 'x-due', read: asNumber }

/** A failed message: its envelope, and the body where it lies. */
export interface Failed extends FailedFields {
  readonly body: Body
}

/**
 * Reads a failed message, whether wrapped as a FailedMsg or raw with its envelope in headers; of a wrapped body only that
 * it is UTF-8. Throws InvalidMessageError; a message without a queue could only be lost.
 */
export function readFailed(message: Buffer, { failed }: Pick<MessageHeaders, 'failed'>): Failed {
  if (!failed) return unwrap(message)
  if (failed.queue === '') throw new InvalidMessageError('x-failed-queue', 'is empty')
  return { ...failed, body: Body.plain(message) }
}

function unwrap(message: Buffer): Failed {
  const { rest, value = Buffer.alloc(0) } = cutString(message, ['Msg'])
  const failed = decodeFailedMessage(rest)
  // A Go stage may send a quoted text, which `decodeFailedMessage` takes the quotes off.
  const isQuoted = failed.failedAt === '' && value.subarray(0, QUOTE.length).equals(QUOTE)
  if (isQuoted) return { ...failed, body: Body.plain(decodeFailedMessage(message).body) }
  if (rest === message) return { ...failed, body: Body.plain(failed.body) }
  if (!isUtf8(value)) throw new InvalidMessageError('Msg', 'is not UTF-8')
  return { ...failed, body: Body.escaped(value) }
}

/** As it begins a text inside JSON. */
const QUOTE = Buffer.from('\\"')

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
