// How long the Cuckoo of a message has been out of reach, whoever had the message meanwhile.
import { asNumbers, type Note, PermanentError } from '@cuckoo-distributed/core'
import { type AwayClocks, noteAway, noteReached, unreachedMs } from '@cuckoo-distributed/sandbox-client'
import type { Analysis } from './analysis.js'

const CLOCKS: Note<Record<string, number> & AwayClocks> = { header: 'x-since', read: asNumbers }

/** Throws PermanentError (CUCKOO_NOT_REACHED) after `CuckooAwayLimit`; whoever resubmits the message begins anew. */
export function requireReach({ config, context, cuckoo: { availability } }: Analysis): void {
  const { notes } = context.headers
  const clocks = notes.get(CLOCKS) ?? {}
  if (availability.isDown) noteAway(clocks, Date.now())
  if (availability.isWell) noteReached(clocks, Date.now())
  const isOver = unreachedMs(clocks, Date.now()) >= config.CuckooAwayLimit * 1000
  notes.set(CLOCKS, isOver || Object.keys(clocks).length === 0 ? undefined : clocks)
  if (!isOver) return
  const problem = `Cuckoo was not reached for ${config.CuckooAwayLimit} s (CuckooAwayLimit)`
  throw new PermanentError('CUCKOO_NOT_REACHED', problem)
}
