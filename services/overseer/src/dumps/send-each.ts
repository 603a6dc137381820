// Puts several dumps back to work, at a pace that the pipeline can bear.
import { delay } from '@cuckoo-distributed/wait'
import { type SendOptions, type Sent, sendDump } from '../resubmit.js'

/** Dumps a second, unless somebody says otherwise. */
export const USUAL_RATE = 10

/** What became of a dump, for people. */
export function sentInWords(sent: Sent): string {
  if (sent.outcome === 'left') return `left: ${sent.why}`
  return `sent to ${sent.queue}${sent.perhapsTwice ? `, possibly twice: ${sent.perhapsTwice}` : ''}`
}

export interface SendEachOptions extends SendOptions {
  /** Dumps a second; 0: as fast as the broker confirms. */
  readonly rate: number
  /** Ends it between two dumps, and none in the middle. */
  readonly until?: AbortSignal | undefined
}

/** What became of each, as soon as it is known. An aborted signal ends it between two dumps. Does not throw. */
export async function* sendEach(
  names: readonly string[],
  options: SendEachOptions,
  signal: AbortSignal,
): AsyncGenerator<{ readonly name: string; readonly sent: Sent }, void, undefined> {
  for (const [i, name] of names.entries()) {
    const pause = i === 0 || !(options.rate > 0) ? 0 : 1000 / options.rate
    await delay(pause, signal).catch(() => undefined) // it ends: see below
    if (signal.aborted || options.until?.aborted) return
    yield { name, sent: await sendDump(name, options, signal) }
  }
}
