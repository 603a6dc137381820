/** What the words mean by which a Cuckoo tells how far a task is (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`). */

/**
 * How far a task is, whatever its sandbox calls that:
 * - `pending`: waits for a machine.
 * - `running`: in a machine, or with another node.
 * - `processing`: its machine is done, the report is not; it may stay so for ever.
 * - `reported`: ended; no promise that there is a report, or anything in it.
 * - `failed`: will never be reported, unless an operator revives it.
 * - `replaced`: goes on as another task, with the same mark and the same file, whose id is not told.
 * - `unknown`: a word of a newer server; the task may still be going.
 */
export type Phase = 'pending' | 'running' | 'processing' | 'reported' | 'failed' | 'replaced' | 'unknown'

/** Of a task that goes on as another. */
export const RECOVERED = 'recovered'

/** `failed_reporting`, `banned` and `distributed` are words of forks and of CAPE (`kevoreilly/CAPEv2:lib/cuckoo/core/data/task.py`). */
const PHASES: ReadonlyMap<string, Phase> = new Map([
  ['pending', 'pending'],
  ['running', 'running'],
  ['distributed', 'running'],
  ['completed', 'processing'],
  ['reported', 'reported'],
  ['failed_analysis', 'failed'],
  ['failed_processing', 'failed'],
  ['failed_reporting', 'failed'],
  ['banned', 'failed'],
  [RECOVERED, 'replaced'],
])

/** The words that a sandbox can be asked for, by phase: those that it stores itself. */
const LISTED = {
  pending: ['pending'],
  running: ['running'],
  processing: ['completed'],
  reported: ['reported'],
  failed: ['failed_analysis', 'failed_processing'],
  // Of a Cuckoo the failed ones, which have no time of an end, are not worth a request each.
  ended: ['reported'],
} as const

/** Of CAPE; PostgreSQL answers 500 to a word that is not one of its enumeration. */
const LISTED_BY_CAPE: Readonly<Record<ListedPhase, readonly string[]>> = {
  pending: ['pending'],
  running: ['running', 'distributed'],
  processing: ['completed'],
  reported: ['reported'],
  failed: ['failed_analysis', 'failed_processing', 'failed_reporting', 'banned'],
  ended: ['reported', 'failed_analysis', 'failed_processing', 'failed_reporting', 'banned'],
}

/** A phase whose tasks can be listed; `ended`: those that have ended, as far as one request tells. */
export type ListedPhase = keyof typeof LISTED

/** In the order in which a task passes through them, so that one that moves on between two lists is met in the later one. */
export const OPEN_PHASES = ['pending', 'running', 'processing'] as const satisfies readonly ListedPhase[]

export function phaseOf(status: string): Phase {
  return PHASES.get(status) ?? (status.startsWith('failed_') ? 'failed' : 'unknown')
}

export function wordsOf(phase: ListedPhase): readonly string[] {
  return LISTED[phase]
}

export function wordsOfCape(phase: ListedPhase): readonly string[] {
  return LISTED_BY_CAPE[phase]
}

/**
 * The task that a recovered one goes on as, where that is told: `/tasks/reschedule` of CAPE puts it into `custom`
 * (`kevoreilly/CAPEv2:web/apiv2/views.py`, `validate_task`). After a restart nothing tells.
 */
export function successorIn(custom: string): number | undefined {
  const id = /^Recovery_([1-9]\d{0,14})$/.exec(custom)?.[1]
  return id === undefined ? undefined : Number(id)
}

/** Whether the task has ended, so that it never changes by itself. */
export function isFinal(phase: Phase): boolean {
  return phase === 'reported' || phase === 'failed' || phase === 'replaced'
}
