/** Work that is done once for everyone who waits for it. */
import { orAbort } from './abort.js'

interface Run {
  readonly controller: AbortController
  readonly ended: Promise<void>
  waiting: number
}

/** One run of `work` at a time: it begins with the first who joins, and is aborted when the last one has gone. */
export class SharedWork {
  readonly #work: (signal: AbortSignal) => Promise<void>
  #run: Run | undefined

  constructor(work: (signal: AbortSignal) => Promise<void>) {
    this.#work = work
  }

  /** Resolves or rejects as the present run does, or a new one when there is none. Rejects with `signal.reason`. */
  async join(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.#run ??= this.#start()
    const run = this.#run
    run.waiting += 1
    try {
      await orAbort(run.ended, signal)
    } finally {
      run.waiting -= 1
      if (run.waiting === 0) {
        this.#forget(run)
        run.controller.abort(new Error('nobody waits any more'))
      }
    }
  }

  #start(): Run {
    const controller = new AbortController()
    const ended = this.#work(controller.signal).finally(() => this.#forget(run))
    const run: Run = { controller, ended, waiting: 0 }
    return run
  }

  #forget(run: Run): void {
    if (this.#run === run) this.#run = undefined
  }
}
