/** Posts stored rows to CRITs batch after batch and finds those that it refuses. */

import { NetworkError, StatusError, TimeoutError } from '@cuckoo-distributed/http'
import { type Batch, batchBytes, nextBatch } from './batch.js'
import type { CritsClient } from './client.js'
import { CritsStatusError, ResultsError } from './errors.js'
import type { RowStore } from './row-store.js'

export interface SubmitOptions {
  /** Ends the work between two batches, but not before the first. */
  readonly stopSignal: AbortSignal
  /** Ends a call that is under way. */
  readonly forceSignal: AbortSignal
  /** First row to post; those before it were confirmed earlier. Default 0. */
  readonly from?: number
  /** Row to stop before. Default: all. */
  readonly to?: number
  /** Called after each batch with the number of rows that are done, refused ones included: where to go on. */
  readonly onConfirmed: (rowsDone: number) => void
}

/** So many rows refused one by one with none accepted in between are not the rows' fault. */
const REFUSED_IN_A_ROW_MAX = 20

/**
 * Posts the rows `from` to `to` in order.
 *
 * CRITs refuses a batch as a whole (413, 500). If it takes log lines before and after, the batch is halved, down to single
 * rows; a row refused alone is left out, and CRITs' log says so.
 *
 * @returns the number of rows left out
 * @throws AnalysisGoneError; ResultsError; after CRITS_RESULTS_UNKNOWN going on may double a batch;
 *   ServerAwayError; `stopSignal.reason` between batches; what else `CritsClient` throws
 */
export async function submitRows(client: CritsClient, store: RowStore, options: SubmitOptions): Promise<number> {
  const { from = 0, to = store.rowCount } = options
  return new Submission(client, store, options).post(from, to)
}

class Submission {
  readonly #client: CritsClient
  readonly #store: RowStore
  readonly #options: SubmitOptions
  #maxBytes: number
  #leftOut = 0
  #refusedInARow = 0

  constructor(client: CritsClient, store: RowStore, options: SubmitOptions) {
    this.#client = client
    this.#store = store
    this.#options = options
    this.#maxBytes = client.batchBytesMax
  }

  async post(from: number, to: number): Promise<number> {
    // Ends of the ranges being worked on, the innermost last: halving a batch adds one.
    const ends = [to]
    let next = from
    while (next < to) {
      const batch = nextBatch(this.#store, next, ends.at(-1) ?? to, this.#maxBytes)
      const refusal = await this.#send(batch)
      if (refusal && batch.to - batch.from > 1) {
        ends.push(batch.from + ((batch.to - batch.from) >> 1))
        if (refusal.status === 413) this.#maxBytes = batchBytes(batch) >> 1
        continue
      }
      if (refusal) await this.#leaveOut(batch, refusal)
      else this.#refusedInARow = 0
      next = batch.to
      while (next === ends.at(-1)) ends.pop()
      this.#options.onConfirmed(next)
      if (next < to) this.#options.stopSignal.throwIfAborted()
    }
    return this.#leftOut
  }

  /** @returns CRITs' refusal if that is the batch's fault */
  async #send(batch: Batch): Promise<Refusal | undefined> {
    try {
      await this.#client.attempt(this.#options.forceSignal, signal => this.#sendOnce(batch, signal))
      return undefined
    } catch (error: unknown) {
      if (!isRefusal(error)) throw error
      return error
    }
  }

  /** Throws what may be repeated only if CRITs has surely not stored the batch. */
  async #sendOnce(batch: Batch, signal: AbortSignal): Promise<void> {
    try {
      await this.#client.addResults(batch, signal)
    } catch (error: unknown) {
      if (!mayBeStored(error)) throw error
      await this.#client.isAway(error, signal)
      const problem = `CRITs did not confirm that it stored the rows ${batch.from} to ${batch.to - 1}`
      throw new ResultsError('CRITS_RESULTS_UNKNOWN', problem, error)
    }
  }

  async #leaveOut(batch: Batch, refusal: Refusal): Promise<void> {
    this.#leftOut += 1
    this.#refusedInARow += 1
    if (this.#refusedInARow === REFUSED_IN_A_ROW_MAX) {
      const problem = `CRITs refused ${REFUSED_IN_A_ROW_MAX} result rows one after the other, each sent alone: the rows are not the cause`
      throw new ResultsError('CRITS_RESULTS_REFUSED', problem, refusal)
    }
    const [range] = this.#store.ranges(batch.from, batch.to)
    const message = `row of subtype ${range?.subtype} was refused (status ${refusal.status}) and left out`
    await this.#client.attempt(this.#options.forceSignal, signal => this.#client.log('warning', message, signal))
  }
}

type Refusal = CritsStatusError | StatusError

/** With a JSON answer of its own, CRITs has stored nothing; an HTML page of 500 may hide that it has. */
function isRefusal(error: unknown): error is Refusal {
  return (error instanceof CritsStatusError && error.status === 500 && error.isJson) || isTooLarge(error)
}

function isTooLarge(error: unknown): error is StatusError {
  return error instanceof StatusError && error.status === 413
}

function mayBeStored(error: unknown): boolean {
  if (error instanceof NetworkError || error instanceof TimeoutError) return error.bodyBegun
  if (error instanceof CritsStatusError) return error.status === 500 && !error.isJson
  return error instanceof StatusError && (error.status === 502 || error.status === 504)
}
