// release: a message waits in its delay queue until its next try is due, then goes back to the queue where it failed.
import {
  again,
  type BoundStage,
  describeError,
  forward,
  type MessageHeaders,
  type Outcome,
  type StageContext,
  UndeliverableError,
} from '@cuckoo-distributed/core'
import { delay, Semaphore } from '@cuckoo-distributed/wait'
import { idsOf } from './body.js'
import { DELAY_LADDER, delayQueue } from './config.js'
import { DUE, type Failed, passOn, readFailed } from './failed-message.js'
import { Reservation } from './reservation.js'

/** Bytes of bodies that are copied to be published, for all delay queues together; a larger one is alone. */
const COPIES_BYTES = 16 * 1024 * 1024
/** A larger body is not held while its message waits; it costs a second delivery, which is little beside the work on it. */
const HELD_BYTES = 1024 * 1024

/**
 * The stages of the delay queues. Each holds one message at a time, longer than `HoldLimit` if need be: all messages of a
 * queue wait equally long, so the first is always the first to be due. Of a large one it holds no more than the claim: the
 * body is sent for when it is due and its copy has room.
 */
export function releaseStages(failedQueue: string, ladder: readonly number[] = DELAY_LADDER): BoundStage[] {
  const copies = new Semaphore(COPIES_BYTES)
  return ladder.map(delaySeconds => {
    const options = { failedQueue, room: new Reservation(copies), delayMs: delaySeconds * 1000 }
    return {
      queue: delayQueue(failedQueue, delaySeconds),
      prefetch: 1,
      holdLimitMs: Number.POSITIVE_INFINITY,
      isDelay: true,
      run: context => release(context, options),
    }
  })
}

interface ReleaseOptions {
  readonly failedQueue: string
  readonly room: Reservation
  readonly delayMs: number
}

async function release(context: StageContext, { failedQueue, room, delayMs }: ReleaseOptions): Promise<Outcome> {
  const { headers, delivery } = context
  let failed: Failed
  try {
    failed = readFailed(delivery.body, headers)
    context.describe({ target: failed.queue, ...idsOf(failed.body.findSubject()), attempt: headers.attempts })
  } catch (error: unknown) {
    return toOverseer(context, failedQueue, error)
  }
  const due = headers.notes.get(DUE)
  const claim = { due, bytes: Math.max(1, delivery.body.length) }
  if (!room.isFor(claim)) {
    const left = leftMs(due, delayMs)
    if (claim.bytes > HELD_BYTES) return again(() => room.make(claim, left, context.waiting))
    await delay(left, context.waiting)
  }
  const drop = await room.use(claim.bytes, context.waiting)
  context.working.addEventListener('abort', drop, { once: true }) // nobody is told of the end of the publish then
  let body: Buffer
  try {
    body = failed.body.toBuffer()
  } catch (error: unknown) {
    drop()
    return toOverseer(context, failedQueue, error)
  }
  const envelope = headers.failed
  headers.notes.set(DUE, undefined)
  headers.failed = undefined
  context.log.info('trying again')
  return forward(failed.queue, body, {
    carry: 'all',
    told: { event: 'retried' },
    carriedOut: drop,
    async orElse(refusal) {
      drop()
      headers.failed = envelope
      if (refusal instanceof UndeliverableError && refusal.why === 'nacked') {
        context.log.warn({ cause: describeError(refusal) }, 'its queue rejects messages at present; waiting again')
        headers.notes.set(DUE, Date.now() + delayMs)
        return passOn(delivery.queue, context)
      }
      context.log.warn({ cause: describeError(refusal) }, 'its queue cannot accept the message; the overseer decides')
      recordRefusal(headers, refusal)
      return passOn(failedQueue, context)
    },
  })
}

function toOverseer(context: StageContext, failedQueue: string, error: unknown): Outcome {
  context.log.warn({ cause: describeError(error) }, 'not a failed message; handing it to the overseer')
  return passOn(failedQueue, context)
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
