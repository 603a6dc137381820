// The end of a consuming process: what is in work may end, within its time.
import { delay, orAbort } from '@cuckoo-distributed/wait'
import type { Consumer } from './broker/consumer.js'
import type { Logger } from './logger.js'

/** How long after the end of the drain time handlers may take to notice. */
const LAST_GRACE_MS = 5_000

/** True when every delivery was settled or given back before the end of the drain time, plus a moment to notice it. */
export async function drainInTime(consumers: readonly Consumer[], force: AbortSignal, log: Logger): Promise<boolean> {
  const drained = new AbortController()
  const overdue = new AbortController()
  untilAborted(force)
    .then(() => delay(LAST_GRACE_MS, drained.signal))
    .then(
      () => overdue.abort(),
      () => undefined,
    ) // drained in time: nothing to do
  try {
    await orAbort(Promise.all(consumers.map(consumer => consumer.drain())), overdue.signal)
    log.info('stopped; every message was settled or returned')
    return true
  } catch (error: unknown) {
    if (!overdue.signal.aborted) throw error
    const inWork = consumers.reduce((sum, consumer) => sum + consumer.inWork, 0)
    log.warn({ inWork }, 'stopped with messages in progress; the broker will redeliver them')
    return false
  } finally {
    drained.abort()
  }
}

export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
