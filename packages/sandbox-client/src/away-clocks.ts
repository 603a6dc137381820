/** How long a sandbox has been out of reach for one message, whoever had the message meanwhile. */

/** To travel with the message; milliseconds, and milliseconds since 1970. */
export interface AwayClocks {
  /** Since when it is not reached; absent while it is. */
  awaySince?: number
  /** All times together before that. */
  awayMs?: number
}

/** It is not reached, and was not since `since`. */
export function noteAway(clocks: AwayClocks, since: number): void {
  clocks.awaySince ??= since
}

/** It has answered. */
export function noteReached(clocks: AwayClocks, now: number): void {
  if (clocks.awaySince === undefined) return
  clocks.awayMs = (clocks.awayMs ?? 0) + Math.max(0, now - clocks.awaySince)
  delete clocks.awaySince
}

/** Milliseconds for which it has not been reached in one go; 0 while it is. */
export function unreachedMs({ awaySince }: AwayClocks, now: number): number {
  return awaySince === undefined ? 0 : Math.max(0, now - awaySince)
}

/** Milliseconds for which it was out of reach in all. */
export function awayMs(clocks: AwayClocks, now: number): number {
  return (clocks.awayMs ?? 0) + unreachedMs(clocks, now)
}
