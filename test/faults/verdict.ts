// The invariant of a run: each sample ends in exactly one of {finished in CRITs, file in DumpDir}, analysed once.
import { type CritsStandIn, type RunningAnalysis, type StoredAnalysis, waitFor } from '@cuckoo-distributed/testing'
import { readDumps } from './dumps.js'
import type { Rig } from './rig.js'

export interface Verdict {
  readonly samples: number
  readonly finished: number
  readonly dumped: number
  /** Samples that ended nowhere while no queue holds them, or in both places. */
  readonly lost: readonly string[]
  /** Messages that are still in a queue or unacknowledged. */
  readonly limbo: readonly string[]
  /** Finished analyses without a row that a run without faults has. */
  readonly missingRows: readonly string[]
  /** Finished analyses with a row more often than a run without faults has it. */
  readonly doubledRows: number
  /** Analyses started in Cuckoo beyond one for each sample. */
  readonly secondAnalyses: number
  /** Services that ended by themselves. */
  readonly crashes: readonly string[]
}

/** Rows by subtype, as a run without faults makes them. */
export type RowCounts = ReadonlyMap<string, number>

/** How a sample stands at this moment. */
export type Ending = 'open' | 'finished' | 'dumped' | 'both'

/** Waits until all these analyses are finished in CRITs. */
export async function allCompleted(
  crits: CritsStandIn,
  samples: readonly RunningAnalysis[],
  deadlineMs: number,
): Promise<void> {
  const isDone = ({ analysisId }: RunningAnalysis) => crits.analyses.get(analysisId)?.status === 'completed'
  await waitFor(() => samples.every(isDone), { deadlineMs, describe: 'the analyses to be completed' })
}

export async function endingsOf(rig: Rig, samples: readonly RunningAnalysis[]): Promise<ReadonlyMap<string, Ending>> {
  const dumps = await readDumps(rig.dumpDir)
  return new Map(
    samples.map(({ analysisId }) => {
      const isDumped = dumps.some(dump => dump.includes(analysisId))
      const isFinished = rig.crits.analyses.get(analysisId)?.status === 'completed'
      const ending = isDumped ? (isFinished ? 'both' : 'dumped') : isFinished ? 'finished' : 'open'
      return [analysisId, ending]
    }),
  )
}

export async function judge(
  rig: Rig,
  samples: readonly RunningAnalysis[],
  limbo: readonly string[],
  expected: RowCounts,
): Promise<Verdict> {
  const endings = await endingsOf(rig, samples)
  const withEnding = (...wanted: Ending[]) => samples.filter(({ analysisId }) => has(endings, analysisId, wanted))
  const finished = withEnding('finished').flatMap(({ analysisId }) => rig.crits.analyses.get(analysisId) ?? [])
  const rows = finished.map(analysis => compareRows(analysis, expected))
  const starts = samples.map(sample => rig.sandbox.submissions.filter(task => task.custom === sample.analysisId).length)
  return {
    samples: samples.length,
    finished: finished.length,
    dumped: withEnding('dumped').length,
    lost: limbo.length > 0 ? describe(withEnding('both')) : describe(withEnding('open', 'both')),
    limbo,
    missingRows: rows.flatMap(row => row.missing),
    doubledRows: rows.reduce((sum, row) => sum + (row.isDoubled ? 1 : 0), 0),
    secondAnalyses: starts.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
    crashes: Object.values(rig.services).flatMap(service => service.crashes.splice(0)),
  }
}

/** Rows of each subtype, and how many different ones there are. */
export function countRows({ results }: StoredAnalysis): RowCounts {
  const counts = new Map<string, number>()
  for (const { subtype } of results) counts.set(String(subtype), (counts.get(String(subtype)) ?? 0) + 1)
  return counts
}

function compareRows(analysis: StoredAnalysis, expected: RowCounts): { missing: string[]; isDoubled: boolean } {
  const counts = countRows(analysis)
  const missing = [...expected].filter(([subtype, count]) => (counts.get(subtype) ?? 0) < count)
  const isDoubled = [...counts].some(([subtype, count]) => count > (expected.get(subtype) ?? 0))
  return { missing: missing.map(([subtype]) => `${analysis.id}: ${subtype}`), isDoubled }
}

function has(endings: ReadonlyMap<string, Ending>, id: string, wanted: readonly Ending[]): boolean {
  const ending = endings.get(id)
  return ending !== undefined && wanted.includes(ending)
}

function describe(samples: readonly RunningAnalysis[]): string[] {
  return samples.map(sample => sample.analysisId)
}
