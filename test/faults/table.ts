// The outcomes of a run as a Markdown table, one row for each fault and moment.
import type { Outcome } from './run-cell.js'

const HEAD = [
  'fault',
  'moment',
  'samples',
  'lost',
  'in CRITs',
  'dumped',
  'doubled rows',
  'second analyses',
  'p50 s',
  'p95 s',
]

export function tableOf(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(outcome => [
    outcome.cell.fault,
    outcome.cell.moment,
    outcome.samples,
    outcome.lost.length + outcome.limbo.length,
    outcome.finished,
    outcome.dumped,
    outcome.doubledRows,
    outcome.secondAnalyses,
    quantile(outcome.recovery, 0.5),
    quantile(outcome.recovery, 0.95),
  ])
  return [HEAD, HEAD.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}

/** Seconds; a dash when every sample had ended before the fault was over. */
function quantile(sorted: readonly number[], share: number): string {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return value === undefined ? '–' : (value / 1000).toFixed(1)
}
