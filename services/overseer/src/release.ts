// release: a message waits in its delay queue until its next try is due, then goes back to the queue where it failed.
import {
  type BoundStage,
  describeError,
  type FailedMessage,
  forward,
  type MessageHeaders,
  type Outcome,
  type StageContext,
  UndeliverableError,
} from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import { delayQueue } from './config.js'
import { DUE, passOn, readFailed } from './failed-message.js'

/**
 * The stage of one delay queue. It holds one message at a time, longer than `HoldLimit` if need be: all messages of a
 * queue wait equally long, so the first is always the first to be due.
 */
export function releaseStage(failedQueue: string, delaySeconds: number): BoundStage {
  return {
    queue: delayQueue(failedQueue, delaySeconds),
    prefetch: 1,
    holdLimitMs: Number.POSITIVE_INFINITY,
    run: context => release(context, failedQueue, delaySeconds * 1000),
  }
}

async function release(context: StageContext, failedQueue: string, delayMs: number): Promise<Outcome> {
  const { headers, delivery } = context
  let failed: FailedMessage
  try {
    failed = readFailed(delivery.body, headers)
  } catch (error: unknown) {
    context.log.warn({ cause: describeError(error) }, 'not a failed message; handing it to the overseer')
    return passOn(failedQueue, context)
  }
  context.describe({ target: failed.queue, attempts: headers.attempts })
  await delay(leftMs(headers.notes.get(DUE), delayMs), context.waiting)
  const envelope = headers.failed
  headers.notes.set(DUE, undefined)
  headers.failed = undefined
  context.log.info('trying again')
  return forward(failed.queue, failed.body, {
    carry: 'all',
    async orElse(refusal) {
      headers.failed = envelope
      if (refusal instanceof UndeliverableError && refusal.why === 'nacked') {
        context.log.warn({ cause: describeError(refusal) }, 'its queue takes nothing at present; waiting once more')
        headers.notes.set(DUE, Date.now() + delayMs)
        return passOn(delivery.queue, context)
      }
      context.log.warn({ cause: describeError(refusal) }, 'its queue cannot take the message; the overseer decides')
      recordRefusal(headers, refusal)
      return passOn(failedQueue, context)
    },
  })
}

/** A clock that was set back must not prolong the wait, so it is never longer than the delay from receipt on. */
export function leftMs(due: number | undefined, delayMs: number, now = Date.now()): number {
  if (due === undefined) return delayMs
  return Math.max(0, Math.min(due - now, delayMs))
}

/** Nobody retypes the name of a missing queue by itself. */
function recordRefusal(headers: MessageHeaders, refusal: Error): void {
  headers.permanent = true
  const entry = { at: new Date().toISOString(), service: 'overseer', error: describeError(refusal, 300) }
  headers.failures = [...headers.failures, entry]
}
