// The only code that acknowledges. What became of a message decides what the broker is told, and in which order.
import { backOff, delay, orAbort, type TimeLimit, timeLimit } from '@cuckoo-distributed/wait'
import { describeError, errorCode, HoldLimitReached, toError } from '../errors.js'
import { type HeaderTable, SEEN, withSeen, writeHeaders } from '../headers.js'
import type { Notes } from '../notes.js'
import type { Afterwards, Outcome } from '../stage.js'
import { BrokerSizeLimitError } from './confirm-channel.js'
import type { LiveDelivery } from './delivery.js'
import { failedPublish } from './failed.js'
import { DeliveryDoubtfulError, type Publisher, type PublishOptions } from './publisher.js'
import type { SharedCauses } from './shared-causes.js'

export type Result = Outcome | { readonly kind: 'threw'; readonly error: unknown }

export interface SettleOptions {
  readonly service: string
  readonly failedQueue: string
  readonly maxMessageSize: number
  readonly publisher: Pick<Publisher, 'publish' | 'cameAgain' | 'onDoubt'>
  readonly causes: SharedCauses
  /** A publish is tried for at least this long, even when `HoldLimit` is over by then. Milliseconds, default 30 s. */
  readonly leastPublishMs?: number | undefined
  /** Aborted once the process stops; a throw is no failure of the message then. */
  readonly stop: AbortSignal
}

const LEAST_PUBLISH_MS = 30_000
/** Made once: an error costs more than all else that a small message needs. */
const HOLD_OVER = new HoldLimitReached()

/** Carries out the table of outcomes for one delivery. Never throws. */
export async function settle(delivery: LiveDelivery, result: Result, options: SettleOptions): Promise<void> {
  if (delivery.lost) {
    if (result.kind === 'done') result.carriedOut?.()
    delivery.log.warn({ outcome: result.kind }, 'finished after its channel was lost; the broker delivers it again')
    delivery.tell({ event: 'given back', reason: 'its channel was lost' })
    return
  }
  using limit = publishLimit(delivery, options.leastPublishMs ?? LEAST_PUBLISH_MS)
  try {
    await carryOut(delivery, result, options, limit.signal).catch(error => {
      limit.signal.throwIfAborted()
      if (error instanceof DeliveryDoubtfulError) throw error
      return carryOut(delivery, { kind: 'threw', error }, options, limit.signal)
    })
  } catch (why: unknown) {
    await handBack(delivery, why, options)
  }
}

async function carryOut(
  delivery: LiveDelivery,
  result: Result,
  options: SettleOptions,
  signal: AbortSignal,
): Promise<void> {
  switch (result.kind) {
    case 'forward': {
      const asItCame = result.carry === 'all'
      const onward = result.onward ?? delivery.headers.notes
      const headers = asItCame ? writeHeaders(delivery.headers) : onwardHeaders(onward, delivery.mayBeRepeat)
      const terms = asItCame ? unbounded(delivery) : { from: delivery }
      // The next stage may tell of it before its confirm is here.
      const at = Date.now()
      try {
        await options.publisher.publish(result.queue, result.body, headers, signal, terms)
      } catch (refusal: unknown) {
        if (!result.orElse || signal.aborted || refusal instanceof DeliveryDoubtfulError) throw refusal
        return carryOut(delivery, await result.orElse(toError(refusal)), options, signal)
      }
      result.carriedOut?.()
      options.causes.passed(delivery)
      delivery.tell({ at, to: result.queue, ...(result.told ?? { event: 'forwarded' }) })
      return ackThen(delivery, result.afterwards)
    }
    case 'done':
      result.carriedOut?.()
      options.causes.passed(delivery)
      delivery.tell(result.told ?? { event: 'done' })
      return ackThen(delivery, result.afterwards)
    case 'later':
      return backToItsQueue(delivery, options, signal)
    case 'again':
      return backToItsPlace(delivery, result.when, options)
    case 'threw':
      if (result.error instanceof HoldLimitReached) return backToItsQueue(delivery, options, signal)
      if (options.stop.aborted) return givenBackAtStop(delivery)
      return fail(delivery, result.error, options, signal)
  }
}

/** A message that may be a repeat may have been forwarded before, so the next stage must look as well. */
function onwardHeaders(notes: Notes, mayBeRepeat: boolean): HeaderTable {
  return { ...notes.toHeaders('next-stage'), ...(mayBeRepeat && SEEN) }
}

async function ackThen(delivery: LiveDelivery, afterwards: Afterwards | undefined): Promise<void> {
  if (!delivery.ack()) {
    delivery.log.warn('the channel was lost before the ack; the broker delivers the message again')
    return
  }
  if (!afterwards) return
  try {
    await orAbort(delivery.roundTrip(), delivery.working)
    await afterwards(delivery.working)
  } catch (error: unknown) {
    delivery.log.warn({ err: error }, 'a follow-up action after the ack failed')
  }
}

async function backToItsQueue(
  delivery: LiveDelivery,
  options: SettleOptions,
  signal: AbortSignal,
  seen = delivery.redelivered,
): Promise<void> {
  const headers = writeHeaders(withSeen(delivery.headers, seen))
  const at = Date.now()
  await options.publisher.publish(delivery.queue, delivery.body, headers, signal, unbounded(delivery))
  delivery.ack()
  delivery.tell({ event: 'later', at, to: delivery.queue })
  delivery.log.debug('returned to the end of its queue')
}

/** Never throws: without its body it can only be given back. */
async function backToItsPlace(
  delivery: LiveDelivery,
  when: () => Promise<void>,
  { stop }: SettleOptions,
): Promise<void> {
  delivery.letGoOfBody()
  try {
    await when()
  } catch (why: unknown) {
    if (stop.aborted) return givenBackAtStop(delivery)
    delivery.log.debug({ cause: describeError(why) }, 'sent for before its time')
  }
  if (delivery.giveBack()) delivery.log.debug('back to its place in its queue')
}

function givenBackAtStop(delivery: LiveDelivery): void {
  delivery.log.info('returned: the process is stopping')
  delivery.tell({ event: 'given back', reason: 'the process is stopping' })
}

async function fail(
  delivery: LiveDelivery,
  thrown: unknown,
  options: SettleOptions,
  signal: AbortSignal,
): Promise<void> {
  const error = toError(thrown)
  options.causes.failed(delivery, error)
  let failed = failedPublish(delivery, error, options)
  const pause = backOff({ initialMs: 500, maxMs: 15_000 })
  let at = Date.now()
  for (;;) {
    try {
      await options.publisher.publish(options.failedQueue, failed.body, failed.headers, signal, unbounded(delivery))
      break
    } catch (refusal: unknown) {
      if (refusal instanceof BrokerSizeLimitError && failed.body !== delivery.body) {
        failed = failedPublish(delivery, error, { ...options, maxMessageSize: 0 })
        continue
      }
      // There is nowhere else to put a failed message: insist, within HoldLimit, then leave it where it was.
      if (!(refusal instanceof BrokerSizeLimitError)) throw refusal
      delivery.log.warn({ cause: describeError(refusal) }, 'FailedQueue rejects the message; trying again')
    }
    await delay(pause.next(), signal)
    at = Date.now()
  }
  const code = errorCode(error)
  delivery.tell({ event: 'failed', at, code, reason: describeError(error), to: options.failedQueue })
  delivery.ack()
}

/**
 * What could not be published within `HoldLimit` goes to the end of its queue with what it has done so far, and to the
 * broker if that fails as well. The copy is marked as seen: the outcome of the publish may be unknown.
 */
async function handBack(delivery: LiveDelivery, why: unknown, options: SettleOptions): Promise<void> {
  if (why instanceof DeliveryDoubtfulError) {
    if (!delivery.giveBack()) return
    delivery.tell({ event: 'given back', reason: why.message })
    delivery.log.debug({ cause: why.message }, 'returned to its queue')
    return
  }
  using limit = timeLimit(delivery.working, options.leastPublishMs ?? LEAST_PUBLISH_MS, HOLD_OVER)
  try {
    limit.signal.throwIfAborted()
    await backToItsQueue(delivery, options, limit.signal, true)
    delivery.log.warn({ cause: describeError(why) }, 'could not be published; returned to the end of its queue')
  } catch (error: unknown) {
    const given = delivery.working.aborted || delivery.giveBack()
    const causes = [...new Set([describeError(why), describeError(error)])]
    delivery.tell({ event: 'given back', reason: causes.join('; ') })
    delivery.log.warn({ cause: causes.join('; ') }, given ? 'returned to its queue' : 'the broker delivers it again')
  }
}

/** A body that came through the broker is not too large. */
function unbounded(delivery: LiveDelivery): PublishOptions {
  return { maxBytes: Number.POSITIVE_INFINITY, from: delivery }
}

/** Ends publishing: the channel is lost, the drain time is over, or the message was held for `HoldLimit`. */
function publishLimit(delivery: LiveDelivery, leastMs: number): TimeLimit {
  return timeLimit(delivery.working, Math.max(delivery.holdLeftMs, leastMs), HOLD_OVER)
}
