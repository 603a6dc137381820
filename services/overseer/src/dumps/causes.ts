// Dumps by their causes: what happened how often, and what to do about it.
import { meaningOf, plainText } from '../failure-codes.js'
import type { Dump } from './envelope.js'
import { NO_FAILED_MESSAGE } from './select.js'

export interface Cause<D extends Dump = Dump> {
  readonly code: string
  /** Empty for what is no failed message. */
  readonly service: string
  /** When the first and the last of them failed, in milliseconds since 1970. */
  readonly oldest: number
  readonly newest: number
  /** Of the newest. */
  readonly error: string
  /** What it means and what to do. */
  readonly advice: string
  /** Oldest first. */
  readonly dumps: readonly D[]
}

const NO_ADVICE = 'not a code of this suite: see the error'
const RAW_ADVICE =
  'some other program publishes to FailedQueue; `dumps show --raw` shows the message, `dumps resubmit --to` sends it to a queue'

/** The most frequent first. `dumps`: oldest first. */
export function byCause<D extends Dump>(dumps: readonly D[]): Cause<D>[] {
  const groups = new Map<string, D[]>()
  for (const dump of dumps) {
    const key = JSON.stringify([dump.failed?.code, dump.failed?.service])
    const group = groups.get(key)
    if (group) group.push(dump)
    else groups.set(key, [dump])
  }
  return [...groups.values()].flatMap(causeOf).sort((a, b) => b.dumps.length - a.dumps.length || b.newest - a.newest)
}

function causeOf<D extends Dump>(dumps: readonly D[]): Cause<D>[] {
  const [oldest, newest] = [dumps[0], dumps.at(-1)]
  if (oldest === undefined || newest === undefined) return []
  const { failed } = newest
  return [
    {
      code: failed?.code ?? NO_FAILED_MESSAGE,
      service: failed?.service ?? '',
      oldest: oldest.at,
      newest: newest.at,
      error: failed?.error ?? '',
      advice: adviceFor(failed?.code),
      dumps,
    },
  ]
}

/** What the documentation says of a code; undefined is for what is no failed message. */
export function adviceFor(code: string | undefined): string {
  if (code === undefined) return RAW_ADVICE
  const meaning = meaningOf(code)
  return meaning === undefined ? NO_ADVICE : plainText(meaning)
}
