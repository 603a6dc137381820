// What must be known of a watch when the message comes back after `HoldLimit`: a note on the message.
import { asNumbers, type Note } from '@cuckoo-distributed/core'
import { type AwayClocks, awayMs } from '@cuckoo-distributed/sandbox-client'

/** Times are in milliseconds since 1970. */
export type WatchClocks = Record<string, number> &
  AwayClocks & {
    watchedSince?: number
    viewedAt?: number
    /** The first of `troubles` views in a row that did not show the task. */
    troubledSince?: number
    troubles?: number
    /** The task that Cuckoo goes on with in place of the message's. */
    taskId?: number
  }

export const CLOCKS: Note<WatchClocks> = { header: 'x-since', read: asNumbers }

/** A 404 also comes from a failing database (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `view_task`). */
const TROUBLES = 3
const TROUBLED_MS = 5 * 60_000

/** Takes all clocks away: whoever resubmits the message starts a new watch. */
export function clear(clocks: WatchClocks): void {
  for (const clock of Object.keys(clocks)) delete clocks[clock]
}

export function lastSeen({ viewedAt, watchedSince }: WatchClocks): number {
  return viewedAt ?? watchedSince ?? 0
}

/** Milliseconds since the watch began, without the times when Cuckoo was away. */
export function watchedMs(clocks: WatchClocks, now: number): number {
  return now - (clocks.watchedSince ?? now) - awayMs(clocks, now)
}

/** Counts a view that did not show what is needed; true when there were enough of them, over enough time. */
export function isTroubled(clocks: WatchClocks): boolean {
  clocks.troubledSince ??= Date.now()
  clocks.troubles = (clocks.troubles ?? 0) + 1
  return clocks.troubles >= TROUBLES && Date.now() - clocks.troubledSince >= TROUBLED_MS
}

export function untroubled(clocks: WatchClocks): void {
  delete clocks.troubledSince
  delete clocks.troubles
}
