/** Leading, on either database, and the clock that comes with it. */
import { performance } from 'node:perf_hooks'
import type { Logger } from '@cuckoo-distributed/core'
import { SqlDispatchStore } from './dispatch-store.js'
import { LEASE_LIMITS, takeLease } from './lease.js'
import { openPostgres } from './postgres.js'
import type { DispatchStore, Leadership } from './store.js'
import type { Db } from './tables.js'

export interface Leading extends AsyncDisposable {
  /** As `Store.lead`. */
  lead(signal: AbortSignal): Promise<Leadership>
  /** As `Store.now`. */
  now(): number
}

/** With SQLite, whose file belongs to one process. */
export function alone(dispatch: DispatchStore): Leading {
  return {
    async lead(signal) {
      signal.throwIfAborted()
      return { lost: new AbortController().signal, dispatch, look() {}, async [Symbol.asyncDispose]() {} }
    },
    now: () => Date.now(),
    async [Symbol.asyncDispose]() {},
  }
}

export interface SharedOptions {
  readonly url: string
  readonly log: Logger
  /** Of the usual work. */
  readonly db: Db
  readonly keepSamples: boolean
  /** The database's time now, in milliseconds since 1970. */
  readonly time: number
}

/** With PostgreSQL, by a lease on a connection of its own. */
export function shared({ url, log, db, keepSamples, time }: SharedOptions): Leading {
  const own = openPostgres(url, log, LEASE_LIMITS)
  let seen = { time, at: performance.now() }
  const onTime = (now: number) => {
    seen = { time: now, at: performance.now() }
  }
  return {
    async lead(signal) {
      const lease = await takeLease({ db: own, onTime }, signal)
      return {
        lost: lease.lost,
        dispatch: new SqlDispatchStore(db, keepSamples, tx => lease.fence(tx)),
        look: () => lease.look(),
        [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
      }
    },
    now: () => Math.round(seen.time + performance.now() - seen.at),
    [Symbol.asyncDispose]: () => own.destroy(),
  }
}
