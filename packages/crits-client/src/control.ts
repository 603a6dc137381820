/** Tells CRITs' faults from those of what was sent, by a call that must succeed: a log line. */

import type { CritsClient, LogLevel } from './client.js'
import { isCritsOutage } from './errors.js'

export interface CritsSignals {
  /** Ends waiting for CRITs, and the work between two calls. */
  readonly stopSignal: AbortSignal
  /** Ends a call that is under way. */
  readonly forceSignal: AbortSignal
}

/**
 * Adds a log line, waiting while CRITs is down or fails at log lines, too.
 *
 * @throws what `CritsClient.log` throws apart from outages; `stopSignal.reason` while waiting
 */
export async function logPatiently(
  client: CritsClient,
  level: LogLevel,
  message: string,
  { stopSignal, forceSignal }: CritsSignals,
): Promise<void> {
  for (;;) {
    try {
      return await client.availability.patiently(stopSignal, () => client.log(level, message, forceSignal))
    } catch (error: unknown) {
      if (!isCritsOutage(error)) throw error
      client.availability.reportDown(error)
    }
  }
}

/**
 * Whether CRITs takes a log line at this moment. If so, and if it took the call before the refused one, the refusal is
 * the fault of what was sent. If not, waits until CRITs is well, and the refusal says nothing.
 */
export async function isWell(client: CritsClient, refused: string, signals: CritsSignals): Promise<boolean> {
  const message = `${refused} was refused`
  try {
    await client.log('debug', message, signals.forceSignal)
    return true
  } catch (error: unknown) {
    if (!isCritsOutage(error)) throw error
    client.availability.reportDown(error)
    await logPatiently(client, 'debug', message, signals)
    return false
  }
}
