// Where an instance stands in a chain of parse_and_submit instances, and how far an earlier try of it got.
import { createHash } from 'node:crypto'
import { ENCODER_VERSION } from '@cuckoo-distributed/crits-client'
import type { Analysis } from './analysis.js'
import type { Config } from './config.js'
import { NO_PROGRESS, PROGRESS, type Progress } from './notes.js'

/**
 * The queue to relay to, or undefined for the last instance. A queue that the message has been in is never relayed to
 * again: the chain that the README of the Go suite prints would run in a circle.
 */
export function nextQueue(config: Config, visited: readonly string[]): string | undefined {
  const next = config.ProducerQueue
  return next === '' || next === config.ConsumerQueue || visited.includes(next) ? undefined : next
}

/** Names everything that decides which rows are made, and in which order: progress is only valid for the same plan. */
export function planDigest(config: Config, storedBytes: number): string {
  const { EnabledParsers: parsers, PushApiCallsMax, ScreenshotsMax } = config
  const shots = parsers.includes('screenshots') ? [ScreenshotsMax] : []
  const plan = [[...parsers].sort(), PushApiCallsMax, ENCODER_VERSION, storedBytes, ...shots]
  return createHash('sha256').update(JSON.stringify(plan)).digest('hex').slice(0, 16)
}

/** What this instance has confirmed before; nothing when the progress belongs to another queue or plan. */
export function priorProgress({ context, config, plan }: Analysis): Progress {
  const prior = context.headers.notes.get(PROGRESS)
  const queue = config.ConsumerQueue
  return prior?.queue === queue && prior.digest === plan ? prior : { queue, digest: plan, ...NO_PROGRESS }
}
