// The outcomes of a run as a Markdown table, and that table in docs/fault-table.md.
import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
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

/** One row for each fault and moment; cells that share a row are added up. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const rows = new Map<string, Outcome[]>()
  for (const outcome of outcomes) {
    const { fault, moment, row = moment } = outcome.cell
    const key = `${fault} | ${row}`
    rows.set(key, [...(rows.get(key) ?? []), outcome])
  }
  const lines = [...rows].map(([names, cells]) => `| ${[names, ...figuresOf(cells)].join(' | ')} |`)
  return [`| ${HEAD.join(' | ')} |`, `| ${HEAD.map(() => '---').join(' | ')} |`, ...lines].join('\n')
}

function figuresOf(outcomes: readonly Outcome[]): readonly (number | string)[] {
  const sum = (count: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + count(outcome), 0)
  const recovery = outcomes.flatMap(outcome => outcome.recovery).sort((a, b) => a - b)
  return [
    sum(outcome => outcome.samples),
    sum(outcome => outcome.lost.length + outcome.limbo.length),
    sum(outcome => outcome.finished),
    sum(outcome => outcome.dumped),
    sum(outcome => outcome.doubledRows),
    sum(outcome => outcome.secondAnalyses),
    quantile(recovery, 0.5),
    quantile(recovery, 0.95),
  ]
}

/** Seconds; a dash when every sample had ended before the fault was over. */
function quantile(sorted: readonly number[], share: number): string {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return value === undefined ? '–' : (value / 1000).toFixed(1)
}

/** What one whole run has shown. */
export interface Proof {
  /** The script in package.json that made the run, with what tells its part; its table has a place of its own. */
  readonly script: string
  readonly minutes: number
  readonly outcomes: readonly Outcome[]
  /** Lines before the table. */
  readonly remarks: readonly string[]
}

const PAGE = fileURLToPath(new URL('../../../docs/fault-table.md', import.meta.url))
const END = '<!-- end of what was written -->'

/** Puts a proof in the place of the former one. Throws RangeError when docs/fault-table.md has lost its marks. */
export async function writeProof({ script, minutes, outcomes, remarks }: Proof): Promise<void> {
  const page = await readFile(PAGE, 'utf8')
  const mark = `<!-- written by npm run ${script} --write -->`
  const begin = page.indexOf(mark)
  const end = page.indexOf(END, begin)
  if (begin < 0 || end < 0) throw new RangeError(`docs/fault-table.md needs the lines ${mark} and ${END}`)
  const day = new Date().toISOString().slice(0, 10)
  const machine = `${availableParallelism()} cores, Node ${process.versions.node}`
  const samples = outcomes.reduce((sum, outcome) => sum + outcome.samples, 0)
  const text = [
    mark,
    `One run of ${outcomes.length} cells with ${samples} samples on ${day}, in ${Math.round(minutes)} minutes on ${machine}.`,
    ...remarks,
    '',
    tableOf(outcomes),
    '',
    '',
  ]
  await writeFile(PAGE, page.slice(0, begin) + text.join('\n') + page.slice(end))
}
