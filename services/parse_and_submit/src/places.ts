// Who may hold report data. Nobody does while a server is away, and no server takes the places of another.
import { type Bulkhead, waitingFor } from '@cuckoo-distributed/core'
import { Semaphore, timeLimit } from '@cuckoo-distributed/wait'
import type { Analysis } from './analysis.js'

/** Whoever has waited so long for a place looks whether the servers are still well. */
const PATIENCE_MS = 30_000
const LOOK_AGAIN = new Error('no place became free')

export interface PlacesOptions {
  /** Messages that hold report data of one Cuckoo at a time; of all together twice as many. */
  readonly perCuckoo: number
  readonly bulkhead: Bulkhead
}

export class Places {
  readonly #perCuckoo: number
  readonly #bulkhead: Bulkhead
  readonly #all: Semaphore
  readonly #ofCuckoo = new WeakMap<Analysis['cuckoo'], Semaphore>()

  constructor({ perCuckoo, bulkhead }: PlacesOptions) {
    this.#perCuckoo = perCuckoo
    this.#bulkhead = bulkhead
    this.#all = new Semaphore(2 * perCuckoo)
  }

  /** Waits until both servers of the analysis are well. False: the message is to make room. */
  async ready({ cuckoo, crits, context }: Analysis): Promise<boolean> {
    for (const [name, { availability }] of [
      ['CRITs', crits],
      ['Cuckoo', cuckoo],
    ] as const) {
      const ready = this.#bulkhead.ready(availability, context.waiting)
      if (!(await waitingFor(`${name}, which is away`, context, ready))) return false
    }
    return true
  }

  /**
   * Waits until both servers of the analysis are well and a place is free; resolves with what gives the place back, or
   * with undefined when the message is to make room for those of other servers. Rejects with the reason to stop waiting.
   */
  async enter(analysis: Analysis): Promise<(() => void) | undefined> {
    const { cuckoo, context } = analysis
    for (;;) {
      if (!(await this.ready(analysis))) return undefined
      using patience = timeLimit(context.waiting, PATIENCE_MS, LOOK_AGAIN)
      try {
        const place = this.#acquire(this.#placesOf(cuckoo), patience.signal)
        return await waitingFor('a place to read its report', context, place)
      } catch (error: unknown) {
        if (error !== LOOK_AGAIN) throw error
      }
    }
  }

  async #acquire(ofCuckoo: Semaphore, signal: AbortSignal): Promise<() => void> {
    const release = await ofCuckoo.acquire(signal)
    try {
      const releaseOfAll = await this.#all.acquire(signal)
      return () => {
        releaseOfAll()
        release()
      }
    } catch (error: unknown) {
      release()
      throw error
    }
  }

  #placesOf(cuckoo: Analysis['cuckoo']): Semaphore {
    const known = this.#ofCuckoo.get(cuckoo)
    if (known) return known
    const places = new Semaphore(this.#perCuckoo)
    this.#ofCuckoo.set(cuckoo, places)
    return places
  }
}
