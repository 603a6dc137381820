// What the queues of the pipeline are like: two looks at each, by passive declarations, which any user may make.
import { lookAtQueue, type QueueLook } from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import { type Counters, type ManagementApi, NO_COUNTERS } from './management.js'

export type QueueState = QueueLook & {
  /** Messages that came less those that went, a second; undefined without a second look. */
  readonly changePerSecond: number | undefined
} & Counters

export interface LookOptions {
  /** Between the two looks; 0 = one look, without rates. */
  readonly seconds: number
  /** Who knows more than a declaration tells. */
  readonly management: ManagementApi | undefined
}

/** In the order of `names`. Rejects with `signal.reason`. */
export async function lookAtQueues(
  connection: Parameters<typeof lookAtQueue>[0],
  names: readonly string[],
  { seconds, management }: LookOptions,
  signal: AbortSignal,
): Promise<QueueState[]> {
  const looks = async () => Promise.all(names.map(name => lookAtQueue(connection, name, signal)))
  const startedAt = performance.now()
  const first = await looks()
  if (seconds > 0) await delay(seconds * 1000, signal)
  const last = seconds > 0 ? await looks() : first
  const elapsed = (performance.now() - startedAt) / 1000
  const counters = await Promise.all(names.map(name => management?.countersOf(name, signal) ?? NO_COUNTERS))
  return last.map((look, i) => ({
    ...look,
    changePerSecond: seconds > 0 ? changeOf(first[i], look, elapsed) : undefined,
    ...(counters[i] ?? NO_COUNTERS),
  }))
}

function changeOf(before: QueueLook | undefined, after: QueueLook, seconds: number): number | undefined {
  if (before?.state !== 'there' || after.state !== 'there') return undefined
  return (after.messages - before.messages) / seconds
}
