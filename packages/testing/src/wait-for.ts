/** The only waiting tool of the tests: a condition with a deadline, never a fixed sleep. */
import { setTimeout as delay } from 'node:timers/promises'

export interface WaitOptions {
  /** How long to wait at most, in milliseconds. Default 120,000: only a test that fails waits so long, and on a busy machine much takes seconds. */
  deadlineMs?: number | undefined
  /** Pause between two looks, in milliseconds. Default: a tenth of what it has waited so far, from 20 to 100. */
  everyMs?: number
  /** What is waited for, as in "waited for …"; a function is called when the deadline has passed and can tell the state. */
  describe: string | (() => string)
  /** Ends the wait early with `signal.reason`. */
  signal?: AbortSignal
}

/** Thrown by `waitFor` when its deadline passed; the message holds what was waited for and the last value seen. */
export class WaitError extends Error {
  override readonly name = 'WaitError'
  readonly code = 'WAIT_DEADLINE'
}

type Found<T> = Exclude<T, undefined | null | false>

function isFound<T>(value: T): value is Found<T> {
  return value !== undefined && value !== null && value !== false
}

/**
 * Looks at `condition` until it gives something other than `undefined`, `null` or `false`, and returns that value.
 * A condition that throws ends the wait with its error; one that hangs is given up at the deadline.
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<Found<T>> {
  const { deadlineMs = 120_000, describe, signal } = options
  const begun = performance.now()
  const pauseMs = () => options.everyMs ?? Math.min(100, Math.max(20, (performance.now() - begun) / 10))
  signal?.throwIfAborted()
  let last: T | undefined
  const ended = new AbortController()
  const endEarly = () => ended.abort(signal?.reason)
  signal?.addEventListener('abort', endEarly, { once: true })
  const timer = setTimeout(() => {
    const what = typeof describe === 'string' ? describe : describe()
    ended.abort(new WaitError(`waited ${deadlineMs} ms for ${what}; the last value was ${JSON.stringify(last)}`))
  }, deadlineMs)
  const end = new Promise<never>((_, reject) => {
    ended.signal.addEventListener('abort', () => reject(ended.signal.reason), { once: true })
  })
  try {
    for (;;) {
      last = await Promise.race([condition(), end])
      if (isFound(last)) return last
      await Promise.race([delay(pauseMs()), end])
    }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', endEarly)
  }
}
