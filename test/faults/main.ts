// npm run test:faults [-- --part NAME] [--jobs N] [--only TEXT] [--seed N] [--random N] [--cleanup] [--write]: the matrix, and what became of it.
import { parseArgs } from 'node:util'
import { CLUSTER_CELLS } from './cluster-cells.js'
import { runClusterCell } from './cluster-run.js'
import { canMount } from './dump-dir.js'
import { FULL_CELLS, HA_CELLS, splitBrainUnseen } from './ha-cells.js'
import { runHaCell } from './ha-run.js'
import { KINDS_CELLS } from './kinds-cells.js'
import { runKindsCell, THREE_KINDS } from './kinds-run.js'
import { allCells, capeCells } from './matrix.js'
import { CLUSTER_MUTATIONS, MUTATIONS, type Mutation, unseenBy, unseenInCluster } from './mutants.js'
import { randomCell, seeded } from './random-run.js'
import { Report } from './report.js'
import { type Rig, startRig } from './rig.js'
import { type Cell, type CellTerms, type Outcome, runCell, undisturbedRows } from './run-cell.js'
import type { SandboxKind } from './sandboxes.js'
import { tableOf, writeProof } from './table.js'

const { values } = parseArgs({
  options: {
    /** One of PARTS in place of all. */
    part: { type: 'string', default: '' },
    /** How many cells of the pipeline run side by side. */
    jobs: { type: 'string', default: '1' },
    /** Only cells and mutations whose fault and moment, or name, contain this. */
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    /** How many random runs. */
    random: { type: 'string', default: '3' },
    /** With CuckooCleanup. */
    cleanup: { type: 'boolean', default: false },
    /** Renews the table of each part in docs/fault-table.md if nothing is wrong with it. */
    write: { type: 'boolean', default: false },
  },
})
if ((values.only !== '' || values.cleanup) && values.write) {
  console.error('--write needs whole parts, without --only and --cleanup')
  process.exit(2)
}
const seed = Number(values.seed)

const PARTS = {
  cuckoo: (report: Report) => runPipeline(report, 'cuckoo', cellsToRun()),
  cape: (report: Report) => runPipeline(report, 'cape', capeCells().filter(isWanted)),
  clusters: runClusters,
  ha: runServers,
}
type Part = keyof typeof PARTS
const parts = Object.keys(PARTS).filter((part): part is Part => values.part === '' || part === values.part)
if (parts.length === 0) {
  console.error(`--part is one of ${Object.keys(PARTS).join(', ')}`)
  process.exit(2)
}

console.log(`seed ${seed}`)
const mounts = await canMount()
if (!mounts) {
  console.log('left out: DumpDir full and read-only, PostgreSQL full, since only root can mount a file system')
}
for (const part of parts) if (!(await isSound(part))) process.exitCode = 1

async function isSound(part: Part): Promise<boolean> {
  const report = new Report()
  await PARTS[part](report)
  const { outcomes, problems, seen, minutes } = report
  if (outcomes.length > 0) console.log(`\n${tableOf(outcomes)}`)
  console.log(problems.length === 0 ? `${part}: ${outcomes.length} cells, nothing lost` : problems.join('\n'))
  if (problems.length === 0 && values.write) {
    const remarks = [`Seed ${seed}. Mutations, each seen: ${seen.join('; ')}.`]
    await writeProof({ script: `test:faults -- --part ${part}`, minutes, outcomes, remarks })
  }
  return problems.length === 0
}

function cellsToRun(): Cell[] {
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

/** Each cell is taken by the first rig that is free; then, with nothing beside, those that compare times, and the mutations. */
async function runPipeline(report: Report, kind: SandboxKind, cells: readonly Cell[]): Promise<void> {
  const mutations = MUTATIONS.filter(mutation => isNamed(mutation) && (mutation.kind ?? 'cuckoo') === kind)
  const numbered = [...cells.entries()]
  const together = numbered.filter(([, { comparesTimes }]) => !comparesTimes)
  const apart = numbered.filter(([, { comparesTimes }]) => comparesTimes)
  const work = async (rig: Rig, queue: Iterable<[number, Cell]>, mutants: readonly Mutation[] = []) => {
    if (values.cleanup) await rig.services.parse_and_submit.replace({ config: { CuckooCleanup: true } })
    const rows = await undisturbedRows(rig)
    for (const [index, cell] of queue) {
      const name = `${index + 1}/${cells.length} ${cell.fault}, ${cell.moment}`
      await report.cell(index, name, () => runCell(rig, cell, rows, seeded(seed + index)))
    }
    for (const mutation of mutants) await report.mutation(mutation.name, () => unseenBy(rig, mutation, rows))
  }
  const queue = together.values()
  const jobs = Math.min(Number(values.jobs), together.length)
  await Promise.all(Array.from({ length: jobs }, () => onRig(kind, rig => work(rig, queue))))
  if (apart.length + mutations.length > 0) await onRig(kind, rig => work(rig, apart, mutations))
}

async function onRig(kind: SandboxKind, work: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await startRig({ kind })
  try {
    await work(rig)
  } finally {
    await rig.close()
  }
}

/** distributed_cuckoo: half broken nodes, and nodes of three kinds. */
async function runClusters(report: Report): Promise<void> {
  const kinds = KINDS_CELLS.map(cell => ({ ...cell, fault: THREE_KINDS }))
  await runEach(report, [
    ...CLUSTER_CELLS.map(cell => ({ cell, run: () => runClusterCell(cell) })),
    ...kinds.map(cell => ({ cell, run: () => runKindsCell(cell) })),
  ])
  for (const mutation of CLUSTER_MUTATIONS.filter(isNamed)) {
    await report.mutation(mutation.name, () => unseenInCluster(mutation))
  }
}

/** distributed_cuckoo: three servers with one PostgreSQL, each promise by its number. */
async function runServers(report: Report): Promise<void> {
  const canFill = mounts && process.env.POSTGRES_URL === undefined
  const cells = [...HA_CELLS, ...(canFill ? FULL_CELLS : [])]
  await runEach(
    report,
    cells.map(cell => ({ cell, run: () => runHaCell(cell) })),
  )
  const splitBrain = { name: 'fences that hold nobody' }
  if (isNamed(splitBrain)) await report.mutation(splitBrain.name, splitBrainUnseen)
}

interface Run {
  readonly cell: CellTerms
  run(): Promise<Outcome>
}

/** One after another. */
async function runEach(report: Report, all: readonly Run[]): Promise<void> {
  const runs = all.filter(({ cell }) => isWanted(cell))
  for (const [index, { cell, run }] of runs.entries()) {
    await report.cell(index, `${index + 1}/${runs.length} ${cell.fault}, ${cell.moment}`, run)
  }
}
