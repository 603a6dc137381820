// npm run test:faults [-- --only TEXT] [--seed N] [--random N] [--cleanup] [--write]: the whole matrix, and what became of it.
import { parseArgs } from 'node:util'
import { CLUSTER_CELLS } from './cluster-cells.js'
import { type ClusterCell, runClusterCell } from './cluster-run.js'
import { canMount } from './dump-dir.js'
import { HA_CELLS, splitBrainUnseen } from './ha-cells.js'
import { type HaCell, runHaCell } from './ha-run.js'
import { allCells } from './matrix.js'
import {
  CLUSTER_MUTATIONS,
  type ClusterMutation,
  MUTATIONS,
  type Mutation,
  unseenBy,
  unseenInCluster,
} from './mutants.js'
import { randomCell, seeded } from './random-run.js'
import { startRig } from './rig.js'
import { type Cell, type CellTerms, describe, type Outcome, problemsOf, runCell, undisturbedRows } from './run-cell.js'
import { tableOf, writeProof } from './table.js'

const { values } = parseArgs({
  options: {
    /** Only cells and mutations whose fault and moment, or name, contain this. */
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    /** How many random runs. */
    random: { type: 'string', default: '3' },
    /** With CuckooCleanup. */
    cleanup: { type: 'boolean', default: false },
    /** Renews docs/reliability.md if nothing is wrong. */
    write: { type: 'boolean', default: false },
  },
})
const isPart = values.only !== '' || values.cleanup
if (isPart && values.write) {
  console.error('--write needs a whole run, without --only and --cleanup')
  process.exit(2)
}
const seed = Number(values.seed)
const started = performance.now()
const outcomes: Outcome[] = []
const seen: string[] = []
const problems: string[] = []

console.log(`seed ${seed}`)
await runPipeline(await cellsToRun(), MUTATIONS.filter(isNamed))
await runClusters(CLUSTER_CELLS.filter(isWanted), CLUSTER_MUTATIONS.filter(isNamed))
await runServers(HA_CELLS.filter(isWanted))
console.log(`\n${tableOf(outcomes)}`)
console.log(problems.length === 0 ? `${outcomes.length} cells, nothing lost` : problems.join('\n'))
if (problems.length === 0 && values.write) {
  const remarks = [`Seed ${seed}. Mutations, each seen: ${seen.join('; ')}.`]
  await writeProof({ script: 'test:faults', minutes: (performance.now() - started) / 60_000, outcomes, remarks })
}
process.exitCode = problems.length === 0 ? 0 : 1

async function cellsToRun(): Promise<Cell[]> {
  const mounts = await canMount()
  if (!mounts) console.log('left out: DumpDir full and read-only, since only root can mount a file system')
  const runs = Array.from({ length: Number(values.random) }, (_, run) =>
    randomCell({ samples: 200, faults: 40, pauseMs: 1500, brokerFaults: 2 }, `random moments, seed ${seed + run}`),
  )
  return [...allCells({ mounts }), ...runs].filter(isWanted)
}

function isWanted({ fault, moment }: CellTerms): boolean {
  return `${fault}, ${moment}`.includes(values.only)
}

function isNamed({ name }: { readonly name: string }): boolean {
  return name.includes(values.only)
}

async function runPipeline(cells: readonly Cell[], mutations: readonly Mutation[]): Promise<void> {
  if (cells.length + mutations.length === 0) return
  const rig = await startRig()
  try {
    if (values.cleanup) await rig.services.parse_and_submit.replace({ config: { CuckooCleanup: true } })
    const rows = await undisturbedRows(rig)
    for (const [index, cell] of cells.entries()) {
      const name = `${index + 1}/${cells.length} ${cell.fault}, ${cell.moment}`
      await tell(name, 'ok', () => problemsIn(runCell(rig, cell, rows, seeded(seed + index))))
    }
    for (const mutation of mutations) {
      await tellMutation(mutation.name, () => unseenBy(rig, mutation, rows))
    }
  } finally {
    await rig.close()
  }
}

async function runClusters(cells: readonly ClusterCell[], mutations: readonly ClusterMutation[]): Promise<void> {
  for (const [index, cell] of cells.entries()) {
    const name = `cluster ${index + 1}/${cells.length} ${cell.fault}, ${cell.moment}`
    await tell(name, 'ok', () => problemsIn(runClusterCell(cell)))
  }
  for (const mutation of mutations) await tellMutation(mutation.name, () => unseenInCluster(mutation))
}

async function tellMutation(name: string, look: () => Promise<string[]>): Promise<void> {
  if (await tell(`mutation: ${name}`, 'seen', look)) seen.push(name)
}

async function runServers(cells: readonly HaCell[]): Promise<void> {
  for (const [index, cell] of cells.entries()) {
    await tell(`servers ${index + 1}/${cells.length} ${cell.moment}`, 'ok', () => problemsIn(runHaCell(cell)))
  }
  const mutation = 'fences that hold nobody'
  if (cells.length > 0 && (await tell(`mutation: ${mutation}`, 'seen', splitBrainUnseen))) seen.push(mutation)
}

async function problemsIn(run: Promise<Outcome>): Promise<string[]> {
  const outcome = await run
  outcomes.push(outcome)
  return problemsOf(outcome)
}

/** Does one thing and says how it went; what cannot be done is a problem like any other, and the run goes on. */
async function tell(name: string, good: string, look: () => Promise<string[]>): Promise<boolean> {
  const begun = performance.now()
  const found = await look().catch((error: unknown) => [`${name}: ${describe(error)}`])
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)
  console.log([`${name}: ${found.length === 0 ? good : 'FAILED'} (${seconds} s)`, ...found].join('\n  '))
  problems.push(...found)
  return found.length === 0
}
