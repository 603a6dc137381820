// Ctrl-C and SIGTERM end the demo in order; a second one ends it at once.
import { constants } from 'node:os'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** npm passes on a Ctrl-C that the terminal has sent to both: what comes this soon after the first is the same one. */
const SAME_MS = 1000

/** A signal to the process asks for the end. */
export class EndRequestedError extends Error {
  override readonly name = 'EndRequestedError'
  readonly code = 'END_REQUESTED'
  /** 128 plus the number of the signal, as a shell gives it. */
  readonly exitCode: number

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

/** Aborts `end` with EndRequestedError at the first signal. Call the returned function when signals shall act as usual again. */
export function endOnSignals(end: AbortController): () => void {
  let first = Number.NaN
  const onSignal = (signal: NodeJS.Signals) => {
    const error = new EndRequestedError(signal)
    if (performance.now() - first > SAME_MS) process.exit(error.exitCode)
    if (Number.isNaN(first)) first = performance.now()
    end.abort(error)
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}
