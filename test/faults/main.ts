// npm run test:faults [-- --only TEXT] [--seed N] [--random N] [--cleanup]: the whole matrix, and the table of what became of it.
import { parseArgs } from 'node:util'
import { allCells } from './matrix.js'
import { MUTATIONS, unseenBy } from './mutants.js'
import { randomCell, seeded } from './random-run.js'
import { startRig } from './rig.js'
import { type Outcome, problemsOf, runCell, undisturbedRows } from './run-cell.js'
import { tableOf } from './table.js'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    random: { type: 'string', default: '3' },
    cleanup: { type: 'boolean', default: false },
  },
})

const seed = Number(values.seed)
console.log(`seed ${seed}`)
const cells = [
  ...allCells(),
  ...Array.from({ length: Number(values.random) }, (_, run) =>
    randomCell({ samples: 200, faults: 40, pauseMs: 1500, brokerFaults: 2 }, `random moments, seed ${seed + run}`),
  ),
].filter(cell => `${cell.fault}, ${cell.moment}`.includes(values.only))

const outcomes: Outcome[] = []
const problems: string[] = []
const rig = await startRig()
try {
  if (values.cleanup) await rig.services.parse_and_submit.replace({ config: { CuckooCleanup: true } })
  const rows = await undisturbedRows(rig)
  for (const [index, cell] of cells.entries()) {
    const outcome = await runCell(rig, cell, rows, seeded(seed + index))
    outcomes.push(outcome)
    problems.push(...problemsOf(outcome))
    console.log(
      `${index + 1}/${cells.length} ${cell.fault}, ${cell.moment}: ${problemsOf(outcome).length === 0 ? 'ok' : 'FAILED'}`,
    )
    for (const problem of problemsOf(outcome)) console.log(`  ${problem}`)
  }
  for (const mutation of MUTATIONS.filter(({ name }) => name.includes(values.only))) {
    const unseen = await unseenBy(rig, mutation, rows)
    problems.push(...unseen)
    console.log(`mutation: ${mutation.name}: ${unseen.length === 0 ? 'seen' : 'NOT SEEN'}`)
  }
} finally {
  await rig.close()
}
console.log(`\n${tableOf(outcomes)}`)
console.log(problems.length === 0 ? `${outcomes.length} cells, nothing lost` : problems.join('\n'))
process.exitCode = problems.length === 0 ? 0 : 1
