// The configuration of check_results: its keys, and what of it cannot be used.
import { type Look, prefetchKey, StageKeys } from '@cuckoo-distributed/core'
import { VerifySSL } from '@cuckoo-distributed/http'
import {
  AllowedCuckooURLs,
  CuckooAwayLimit,
  CuckooTokens,
  requestsPerMinuteKey,
  sandboxLooks,
} from '@cuckoo-distributed/sandbox-client'
import Type, { type Static } from 'typebox'

export const CheckResultsSchema = Type.Object(
  {
    ...StageKeys,
    ProducerQueue: Type.String({ minLength: 1, description: 'Queue for finished tasks; parse_and_submit consumes it' }),
    VerifySSL,
    PrefetchCount: prefetchKey(100, 'Tasks watched at a time'),
    WaitBetweenRequests: Type.Number({
      default: 5,
      minimum: 0,
      maximum: 3600,
      description:
        'Seconds between two requests to the same Cuckoo, however many tasks are watched; 0 = as fast as it answers, at most 20 per second',
    }),
    AnalysisDeadline: Type.Integer({
      default: 86_400,
      minimum: 1,
      description:
        'Seconds within which a task must be reported, including the time it is pending in Cuckoo but not the time in which Cuckoo is unavailable; then the message fails',
    }),
    CuckooAwayLimit,
    AllowedCuckooURLs,
    CuckooTokens,
    RequestsPerMinute: requestsPerMinuteKey(1),
  },
  { additionalProperties: false },
)

export type CheckResultsConfig = Readonly<Static<typeof CheckResultsSchema>>

/** With `WaitBetweenRequests` 0. */
const SHORTEST_INTERVAL_MS = 50

/** In milliseconds. */
export function timesOf({ WaitBetweenRequests, AnalysisDeadline, CuckooAwayLimit: awayLimit }: CheckResultsConfig) {
  return {
    intervalMs: Math.max(WaitBetweenRequests * 1000, SHORTEST_INTERVAL_MS),
    deadlineMs: AnalysisDeadline * 1000,
    awayLimitMs: awayLimit * 1000,
  }
}

/** What it needs of the world outside: the sandboxes that the configuration names. */
export function looks({ AllowedCuckooURLs, CuckooTokens, VerifySSL: verifySsl }: CheckResultsConfig): Look[] {
  return sandboxLooks([...AllowedCuckooURLs, ...Object.keys(CuckooTokens)], { verifySsl, apiTokens: CuckooTokens })
}
