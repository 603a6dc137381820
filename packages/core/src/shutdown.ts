// The two signals of a process: the first ends waiting and taking new work, the second (or the end of the drain time)
// ends working.
import { StopRequested } from './errors.js'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

export class Shutdown implements Disposable {
  readonly #stop = new AbortController()
  readonly #force = new AbortController()
  readonly #onSignal: (signal: NodeJS.Signals) => void
  #drainTimer: NodeJS.Timeout | undefined

  /** `drainMs`: how long work may go on after the first signal. `onSignal` is told of each. */
  constructor(drainMs: () => number, onSignal: (signal: NodeJS.Signals, meaning: 'stop' | 'force') => void) {
    this.#onSignal = signal => {
      onSignal(signal, this.stop.aborted ? 'force' : 'stop')
      if (this.stop.aborted) this.#end()
      else this.begin(drainMs())
    }
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
  }

  /** Aborted once: take nothing new, wait for nothing. */
  get stop(): AbortSignal {
    return this.#stop.signal
  }

  /** Aborted when work in progress must end as well. */
  get force(): AbortSignal {
    return this.#force.signal
  }

  /** Stops as the first signal does. */
  begin(drainMs: number): void {
    this.#stop.abort(new StopRequested())
    this.#drainTimer = setTimeout(() => this.#end(), drainMs)
    this.#drainTimer.unref()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#drainTimer)
    for (const signal of SIGNALS) process.off(signal, this.#onSignal)
  }

  #end(): void {
    this.#force.abort(new StopRequested())
  }
}
