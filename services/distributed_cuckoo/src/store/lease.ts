/**
 * Who schedules: one process at a time, by a lease that ends by the database's own clock. A process that is stopped, cut off or gone
 * loses it without a word, and whatever it still says to the database is refused by the lease's epoch.
 */
import { performance } from 'node:perf_hooks'
import { ServiceError } from '@cuckoo-distributed/core'
import { backOff, delay } from '@cuckoo-distributed/wait'
import { sql } from 'kysely'
import type { Limits } from './postgres.js'
import type { Db, Tx } from './tables.js'

const LEASE_MS = 7000
const RENEW_MS = 2000
const POLL_MS = 1000
const MAX_POLL_MS = 2000
/** The holder stops so long before the lease ends. */
const MARGIN_MS = 1000

/** Of the lease's own connection, which must not wait for others. */
export const LEASE_LIMITS: Limits = { connectMs: 1500, statementMs: 1000, connections: 1 }

export interface Lease extends AsyncDisposable {
  /** Aborted (reason: ServiceError, LEADERSHIP_LOST) before the lease ends. */
  readonly lost: AbortSignal
  /** @throws ServiceError (LEADERSHIP_LOST) when the lease is about to end, by the monotonic clock. */
  look(): void
  /** To be called first in each transaction, which then ends before anybody else has the lease. Throws as `look` does. */
  fence(tx: Tx): Promise<void>
}

export interface LeaseOptions {
  /** Of the lease alone. */
  readonly db: Db
  /** Told the database's time, in milliseconds since 1970, whenever it is seen. */
  readonly onTime: (time: number) => void
}

const LEASE = sql`${LEASE_MS} * interval '1 millisecond'`
// One that seems to last for longer than any lease does was given before the clock was set back.
const IS_FREE = sql<boolean>`(until <= clock_timestamp() or until > clock_timestamp() + ${LEASE})`
const NOW = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::float8`

/** Waits for the lease, through outages of the database as well. Rejects with `signal.reason` only. */
export async function takeLease(options: LeaseOptions, signal: AbortSignal): Promise<Lease> {
  const retry = backOff({ initialMs: POLL_MS, maxMs: MAX_POLL_MS })
  for (;;) {
    try {
      const lease = await tryToTake(options)
      if (lease !== undefined) return lease
      retry.reset()
      await delay(POLL_MS, signal)
    } catch {
      // That the database is away is said by whoever asks it for more.
      signal.throwIfAborted()
      await delay(retry.next(), signal)
    }
  }
}

async function tryToTake(options: LeaseOptions): Promise<Lease | undefined> {
  const { db, onTime } = options
  const seen = await sql<{ free: boolean; now: number }>`select ${IS_FREE} as free, ${NOW} as now from lease`.execute(
    db,
  )
  const [row] = seen.rows
  if (row !== undefined) onTime(row.now)
  if (row?.free !== true) return undefined
  return db.transaction().execute(async tx => {
    // Waits for the transactions of the epoch before, which hold the row until they end.
    const free = await sql`select epoch from lease where ${IS_FREE} for update`.execute(tx)
    if (free.rows.length === 0) return undefined
    const asked = performance.now()
    const set = sql<{
      epoch: number
    }>`update lease set epoch = epoch + 1, until = clock_timestamp() + ${LEASE} returning epoch`
    const [taken] = (await set.execute(tx)).rows
    return taken && new HeldLease(options, { epoch: taken.epoch, asked })
  })
}

class HeldLease implements Lease {
  readonly #epoch: number
  readonly #options: LeaseOptions
  readonly #lost = new AbortController()
  /** By `performance.now`: the database's end is later, as it reckons from when it was asked. */
  #end: number
  #timer: NodeJS.Timeout

  constructor(options: LeaseOptions, { epoch, asked }: { readonly epoch: number; readonly asked: number }) {
    this.#options = options
    this.#epoch = epoch
    this.#end = asked + LEASE_MS - MARGIN_MS
    this.#timer = setTimeout(() => void this.#renew(), RENEW_MS)
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  look(): void {
    if (performance.now() >= this.#end) this.#lose()
    if (this.#lost.signal.aborted) throw this.#lost.signal.reason
  }

  async fence(tx: Tx): Promise<void> {
    this.look()
    // Renewals go on beside it; who takes the lease waits for it. A lease of another epoch is not found.
    const held = await sql`select epoch from lease where epoch = ${this.#epoch} for key share`.execute(tx)
    if (held.rows.length === 0) this.#lose()
    this.look()
  }

  /** Once more and again, until the lease is over. */
  async #renew(): Promise<void> {
    const asked = performance.now()
    const renewal = this.#ask().catch(() => 'unknown' as const)
    const over = setTimeout(() => this.#lose(), this.#end - asked)
    const answer = await renewal
    clearTimeout(over)
    if (answer === 'refused') this.#lose()
    if (answer === 'renewed') this.#end = asked + LEASE_MS - MARGIN_MS
    if (performance.now() >= this.#end) this.#lose()
    if (this.#lost.signal.aborted) return
    const pauseMs = answer === 'renewed' ? RENEW_MS : 200
    this.#timer = setTimeout(() => void this.#renew(), Math.min(pauseMs, this.#end - performance.now()))
  }

  async #ask(): Promise<'renewed' | 'refused'> {
    const { db, onTime } = this.#options
    const renew = sql<{ now: number }>`update lease set until = clock_timestamp() + ${LEASE}
      where epoch = ${this.#epoch} and until > clock_timestamp() returning ${NOW} as now`
    const [row] = (await renew.execute(db)).rows
    if (row === undefined) return 'refused'
    onTime(row.now)
    return 'renewed'
  }

  #lose(): void {
    clearTimeout(this.#timer)
    this.#lost.abort(new ServiceError('LEADERSHIP_LOST', 'another process may schedule by now'))
  }

  /** Gives the lease up, so that nobody has to wait for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    const isHeld = !this.#lost.signal.aborted
    this.#lose()
    if (!isHeld) return
    const { db } = this.#options
    await sql`update lease set until = clock_timestamp() where epoch = ${this.#epoch}`
      .execute(db)
      .catch(() => undefined)
  }
}
