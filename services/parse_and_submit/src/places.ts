// Who may hold report data. Nobody does while a server is away, and no server takes the places of another.
import { type Bulkhead, waitForServer, waitingFor } from '@cuckoo-distributed/core'
import { Semaphore, timeLimit } from '@cuckoo-distributed/wait'
import type { Analysis } from './analysis.js'

/** Whoever has waited so long for a place looks whether the servers are still well. */
const PATIENCE_MS = 30_000
const LOOK_AGAIN = new Error('no place became free')

/** `in turn`: a server of the analysis is failing, and it is this message's turn to try it all the same. */
export type Ready = 'at once' | 'in turn'

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

  /** Waits until both servers of the analysis may be called. Undefined: the message is to make room. */
  async ready(analysis: Analysis): Promise<Ready | undefined> {
    const { cuckoo, crits, context } = analysis
    for (const [name, { availability }] of [
      ['CRITs', crits],
      ['Cuckoo', cuckoo],
    ] as const) {
      const ready = this.#bulkhead.ready(availability, context.waiting)
      if (!(await waitingFor(waitForServer(name, true), context, ready))) return undefined
    }
    return isFailing(analysis) ? 'in turn' : 'at once'
  }

  /**
   * Waits until a place is free for an analysis whose servers are `ready`, and still are by then; resolves with what gives the place
   * back, or with undefined when the message is to make room for those of other servers. Rejects with the reason to stop waiting.
   */
  async enter(analysis: Analysis, ready: Ready): Promise<(() => void) | undefined> {
    const { cuckoo, crits } = analysis
    let isSlow = false
    for (let known: Ready | undefined = ready; known !== undefined; known = await this.ready(analysis)) {
      try {
        const leave = await this.#place(analysis, isSlow || known === 'in turn')
        const isAway = cuckoo.availability.isDown || crits.availability.isDown
        if (leave === undefined || (!isAway && (known === 'in turn' || !isFailing(analysis)))) return leave
        leave()
      } catch (error: unknown) {
        if (error !== LOOK_AGAIN) throw error
        isSlow = true
      }
    }
    return undefined
  }

  /** Rejects with LOOK_AGAIN. `isSlow`: places are rare, so at most half the prefetch waits for one; undefined for the rest. */
  async #place({ cuckoo, context }: Analysis, isSlow: boolean): Promise<(() => void) | undefined> {
    using patience = timeLimit(context.waiting, PATIENCE_MS, LOOK_AGAIN)
    let leave: (() => void) | undefined
    const free = async (signal: AbortSignal) => {
      const release = await this.#acquire(this.#placesOf(cuckoo), signal)
      if (signal.aborted) release()
      else leave = release
    }
    const isFree = isSlow ? this.#bulkhead.until(free, patience.signal) : free(patience.signal).then(() => true)
    let isOurs = false
    try {
      isOurs = await waitingFor('a place to read its report', context, isFree)
      return isOurs ? leave : undefined
    } finally {
      if (!isOurs) leave?.()
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

function isFailing({ cuckoo, crits }: Analysis): boolean {
  return cuckoo.availability.isFailing || crits.availability.isFailing
}
