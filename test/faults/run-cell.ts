// One cell of the matrix: N samples in, one fault at one moment, and what became of the samples.

import { type QueueState, type RunningAnalysis, runCritsService, WaitError, waitFor } from '@cuckoo-distributed/testing'
import { repair } from './actions.js'
import { publishConfirmed } from './publish.js'
import { QUEUES, type Rig, type ServiceName } from './rig.js'
import { type Change, runChanged } from './variant.js'
import { countRows, endingsOf, judge, type RowCounts, type Verdict } from './verdict.js'

/** What a cell's fault is armed with. */
export interface Run {
  readonly random: () => number
  /** Undoes what the cell has done, once its outcome is known; the last first. */
  after(undo: () => unknown): void
}

/** The fault itself. It is called when all samples are there, resolves when the fault is over, and repairs what it broke. */
export type Strike = (samples: readonly RunningAnalysis[]) => Promise<void>

/** What a cell is called, and what its run may show. */
export interface CellTerms {
  readonly fault: string
  readonly moment: string
  /** The moment of its row in the table, which all cells of this fault with the same one share. Default `moment`. */
  readonly row?: string
  /** Rows may be doubled: an answer is lost, or a process or channel dies between a stored batch and its settling. */
  readonly mayDouble?: boolean
  /** Each sample may end in DumpDir. Default false: all must be finished in CRITs. */
  readonly mayDump?: boolean
  /** Samples may be analysed again: their first analysis failed, and a failed task is not taken over. */
  readonly mayRepeat?: boolean
  /** A subtype that has fewer rows: those of files that CRITs does not have. */
  readonly mayMiss?: string
}

export interface Cell extends CellTerms {
  /** Samples of the run. Default 4. */
  readonly samples?: number
  /** How often the message of each sample is published. Default 1. */
  readonly copies?: number
  /** Bytes of a sample at least. */
  readonly sampleBytes?: number
  /** How long the run may take, in milliseconds. Default 240,000. */
  readonly deadlineMs?: number
  /** Compares times, and so wants nothing beside it. */
  readonly comparesTimes?: boolean
  /** A service that runs changed in place of the real one. */
  readonly variant?: { readonly service: ServiceName; readonly changes: readonly Change[] }
  /** Arms the fault before any sample is there. */
  arm(rig: Rig, run: Run): Promise<Strike>
  /** What else the end of the run must show; in words what it does not. */
  unmet?(rig: Rig, samples: readonly RunningAnalysis[]): Promise<string[]>
}

export interface Outcome extends Verdict {
  readonly cell: CellTerms
  /** From the end of the fault to the end of each sample that was open then, in milliseconds, ascending. */
  readonly recovery: readonly number[]
  /** What was to happen and did not: the fault itself, or what the cell demands beside the verdict. */
  readonly unmet: readonly string[]
}

let serial = 0

export async function runCell(rig: Rig, cell: Cell, expected: RowCounts, random: () => number): Promise<Outcome> {
  const undos: (() => unknown)[] = []
  try {
    if (cell.variant) undos.push(await runChanged(rig, cell.variant.service, cell.variant.changes))
    const strike = await cell.arm(rig, { random, after: undo => undos.push(undo) })
    return await strikeAndJudge(rig, cell, strike, expected)
  } finally {
    repair(rig)
    await undoAll(undos.toReversed())
  }
}

/** Undoes all that can be undone. Throws AggregateError. */
async function undoAll(undos: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = []
  for (const undo of undos) {
    try {
      await undo()
    } catch (error: unknown) {
      failures.push(error)
    }
  }
  if (failures.length === 0) return
  throw new AggregateError(failures, `what the cell has done is not undone: ${failures.map(describe).join('; ')}`)
}

async function strikeAndJudge(rig: Rig, cell: Cell, strike: Strike, expected: RowCounts): Promise<Outcome> {
  const samples = Array.from({ length: cell.samples ?? 4 }, () => makeSample(rig, cell.sampleBytes))
  const bodies = samples.flatMap(({ body }) => Array.from({ length: cell.copies ?? 1 }, () => body))
  await publishConfirmed(rig, QUEUES.feed, bodies)
  let over = Number.POSITIVE_INFINITY
  const unmet: string[] = []
  const wrongBefore = rig.sandbox.violations.length
  const fault = strike(samples)
    .catch((error: unknown) => unmet.push(`the fault failed: ${describe(error)}`))
    .finally(() => {
      over = performance.now()
    })
  const ended = await endsOf(rig, cell, samples)
  await fault
  repair(rig)
  const limbo = await settleQueues(rig)
  const verdict = await judge(rig, samples, limbo, expected)
  const recovery = [...ended.values()].map(at => at - over).filter(ms => ms > 0)
  const wrong = rig.sandbox.violations.slice(wrongBefore)
  unmet.push(...wrong.map(({ rule, path }) => `${rule}: ${path}`), ...((await cell.unmet?.(rig, samples)) ?? []))
  return { ...verdict, cell, unmet, recovery: recovery.sort((a, b) => a - b) }
}

/** When each sample ended; without those that are open at the deadline. */
async function endsOf(
  rig: Rig,
  { fault, moment, deadlineMs = 240_000 }: Cell,
  samples: readonly RunningAnalysis[],
): Promise<ReadonlyMap<string, number>> {
  const ended = new Map<string, number>()
  const look = async () => {
    for (const [id, ending] of await endingsOf(rig, samples)) {
      if (ending !== 'open' && !ended.has(id)) ended.set(id, performance.now())
    }
    return ended.size === samples.length
  }
  try {
    await waitFor(look, { deadlineMs, everyMs: 50, describe: `the samples of ${fault}, ${moment}` })
  } catch (error: unknown) {
    if (!(error instanceof WaitError)) throw error // the verdict tells what is open
  }
  return ended
}

/** What a run must not show, in words; none for a good one. */
export function problemsOf({ cell, ...outcome }: Outcome): string[] {
  const problems = [
    ...outcome.lost.map(id => `lost: ${id}`),
    ...outcome.limbo.map(queue => `in limbo: ${queue}`),
    ...outcome.missingRows.filter(row => !row.endsWith(`: ${cell.mayMiss}`)).map(row => `missing row: ${row}`),
    ...outcome.crashes.map(crash => `crashed: ${crash}`),
    ...outcome.unmet,
  ]
  if (outcome.secondAnalyses > 0 && !cell.mayRepeat) problems.push(`${outcome.secondAnalyses} samples analysed twice`)
  if (outcome.doubledRows > 0 && !cell.mayDouble) problems.push(`${outcome.doubledRows} analyses with doubled rows`)
  if (outcome.dumped > 0 && !cell.mayDump) problems.push(`${outcome.dumped} samples dumped`)
  return problems.map(problem => `${cell.fault}, ${cell.moment}: ${problem}`)
}

/** The rows of one sample that goes through without any fault. */
export async function undisturbedRows(rig: Rig): Promise<RowCounts> {
  const sample = makeSample(rig)
  await publishConfirmed(rig, QUEUES.feed, [sample.body])
  const analysis = await waitFor(
    () => {
      const found = rig.crits.analyses.get(sample.analysisId)
      return found?.status === 'completed' && found
    },
    { describe: 'a sample without faults to be finished' },
  )
  return countRows(analysis)
}

/** Samples of equal structure and different content. */
function makeSample(rig: Rig, atLeast = 0): RunningAnalysis {
  serial += 1
  const text = `MZ\x90\x00 sample ${String(serial).padStart(8, '0')}`
  const bytes = Buffer.from(text.padEnd(atLeast, '\0'), 'latin1')
  return runCritsService(rig.crits, { name: `sample ${serial}.exe`, bytes })
}

/** Waits until nothing is in a queue but events; resolves with what stays, as `queue: ready + unacknowledged`. */
async function settleQueues(rig: Rig): Promise<string[]> {
  let filled: string[] = []
  const look = async () => {
    filled = (await queuesOf(rig))
      .filter(({ name }) => name !== QUEUES.events)
      .filter(queue => queue.messages_ready + queue.messages_unacknowledged > 0)
      .map(queue => `${queue.name}: ${queue.messages_ready} + ${queue.messages_unacknowledged}`)
    return filled.length === 0
  }
  try {
    await waitFor(look, { deadlineMs: 240_000, everyMs: 500, describe: 'the queues to be empty' })
  } catch (error: unknown) {
    if (!(error instanceof WaitError)) throw error
  }
  return filled
}

/** As the first node sees them that answers: one may be away. */
async function queuesOf({ nodes }: Rig): Promise<QueueState[]> {
  const failures: unknown[] = []
  for (const node of nodes) {
    try {
      return await node.queues()
    } catch (error: unknown) {
      failures.push(error)
    }
  }
  throw new AggregateError(failures, `no node lists its queues: ${failures.map(describe).join('; ')}`)
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
