// One cell of the matrix: N samples in, one fault at one moment, and what became of the samples.

import { type RunningAnalysis, runCritsService, WaitError, waitFor } from '@cuckoo-distributed/testing'
import { repair } from './actions.js'
import { publishConfirmed } from './publish.js'
import { QUEUES, type Rig } from './rig.js'
import { countRows, endingsOf, judge, type RowCounts, type Verdict } from './verdict.js'

export interface Cell {
  readonly fault: string
  readonly moment: string
  /** Samples of the run. Default 4. */
  readonly samples?: number
  /** Rows may be doubled: an answer is lost, or a process or channel dies between a stored batch and its settling. */
  readonly mayDouble?: boolean
  /** Each sample may end in DumpDir. Default false: all must be finished in CRITs. */
  readonly mayDump?: boolean
  /** Samples may be analysed again: their first analysis failed, and a failed task is not taken over. */
  readonly mayRepeat?: boolean
  /** How long the run may take, in milliseconds. Default 90,000. */
  readonly deadlineMs?: number
  /**
   * Arms the fault before any sample is there; what it returns is called when all are, and resolves when the fault is
   * over. It must leave everything repaired. `ended` is aborted when no sample is open any more.
   */
  arm(rig: Rig, random: () => number, ended: AbortSignal): Promise<() => Promise<void>>
}

export interface Outcome extends Verdict {
  readonly cell: Cell
  /** From the end of the fault to the end of each sample that was open then, in milliseconds, ascending. */
  readonly recovery: readonly number[]
}

let serial = 0

export async function runCell(rig: Rig, cell: Cell, expected: RowCounts, random: () => number): Promise<Outcome> {
  const run = new AbortController()
  const strike = await cell.arm(rig, random, run.signal)
  const samples = Array.from({ length: cell.samples ?? 4 }, () => makeSample(rig))
  await publishConfirmed(
    rig,
    QUEUES.feed,
    samples.map(sample => sample.body),
  )
  const ended = new Map<string, number>()
  let over = Number.POSITIVE_INFINITY
  const fault = strike().then(() => {
    over = performance.now()
  })
  try {
    await waitFor(
      async () => {
        for (const [id, ending] of await endingsOf(rig, samples)) {
          if (ending !== 'open' && !ended.has(id)) ended.set(id, performance.now())
        }
        return ended.size === samples.length
      },
      { deadlineMs: cell.deadlineMs ?? 90_000, everyMs: 50, describe: `the samples of ${cell.fault}, ${cell.moment}` },
    )
  } catch (error: unknown) {
    if (!(error instanceof WaitError)) throw error // the verdict tells what is open
  }
  await fault
  run.abort()
  repair(rig)
  const limbo = await settleQueues(rig)
  const verdict = await judge(rig, samples, limbo, expected)
  const recovery = [...ended.values()].map(at => at - over).filter(ms => ms > 0)
  return { ...verdict, cell, recovery: recovery.sort((a, b) => a - b) }
}

/** What a run must not show, in words; none for a good one. */
export function problemsOf({ cell, ...outcome }: Outcome): string[] {
  const problems = [
    ...outcome.lost.map(id => `lost: ${id}`),
    ...outcome.limbo.map(queue => `in limbo: ${queue}`),
    ...outcome.missingRows.map(row => `missing row: ${row}`),
    ...outcome.crashes.map(crash => `crashed: ${crash}`),
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
    { describe: 'a sample without faults to be finished', deadlineMs: 60_000 },
  )
  return countRows(analysis)
}

/** Samples of equal structure and different content. */
function makeSample(rig: Rig): RunningAnalysis {
  serial += 1
  const bytes = Buffer.from(`MZ\x90\x00 sample ${String(serial).padStart(8, '0')}`, 'latin1')
  return runCritsService(rig.crits, { name: `sample ${serial}.exe`, bytes })
}

/** Waits until nothing is in a queue; resolves with what stays, as `queue: ready + unacknowledged`. */
async function settleQueues(rig: Rig): Promise<string[]> {
  let filled: string[] = []
  const look = async () => {
    filled = (await rig.node.queues())
      .filter(queue => queue.messages_ready + queue.messages_unacknowledged > 0)
      .map(queue => `${queue.name}: ${queue.messages_ready} + ${queue.messages_unacknowledged}`)
    return filled.length === 0
  }
  try {
    await waitFor(look, { deadlineMs: 90_000, everyMs: 500, describe: 'the queues to be empty' })
  } catch (error: unknown) {
    if (!(error instanceof WaitError)) throw error
  }
  return filled
}
