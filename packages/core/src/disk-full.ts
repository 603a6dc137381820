// What a stage does with a message for whose temporary file there is no space.
import { delay } from '@cuckoo-distributed/wait'
import { later, type Outcome, type StageContext } from './stage.js'

const NO_SPACE_PAUSE_MS = 30_000

/** A full disk is an outage of our own; the pause keeps the message from going round without end meanwhile. */
export async function laterWithSpace({ log, waiting }: StageContext): Promise<Outcome> {
  log.warn('TmpDir is full; the message waits')
  await delay(NO_SPACE_PAUSE_MS, waiting).catch(() => undefined) // whatever ends the wait, the progress must travel
  return later()
}
