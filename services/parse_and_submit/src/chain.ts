// Where an instance stands in a chain of parse_and_submit instances, and how far an earlier try of it got.
import { createHash } from 'node:crypto'
import type { Notes } from '@cuckoo-distributed/core'
import { ENCODER_VERSION } from '@cuckoo-distributed/crits-client'
import type { Config } from './config.js'
import { PROGRESS, type Progress } from './notes.js'

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
  const plan = [[...config.EnabledParsers].sort(), config.PushApiCallsMax, ENCODER_VERSION, storedBytes]
  return createHash('sha256').update(JSON.stringify(plan)).digest('hex').slice(0, 16)
}

/** What an earlier try of this instance has confirmed; nothing when the progress belongs to another queue or plan. */
export function priorProgress(notes: Notes, queue: string, digest: string): Progress {
  const prior = notes.get(PROGRESS)
  return prior?.queue === queue && prior.digest === digest ? prior : { queue, digest, rows: 0, files: 0 }
}
