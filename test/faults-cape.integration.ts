// A handful of the cells of `npm run test:faults` that run with a CAPE, and the proof that the runner sees one that is worse.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { stop } from 'esbuild'
import { CAPE_CELLS } from './faults/cape-cells.js'
import { afterUpload, duringRequest, httpFault } from './faults/cells.js'
import { MUTATIONS, unseenBy } from './faults/mutants.js'
import { seeded } from './faults/random-run.js'
import { type Rig, startRig } from './faults/rig.js'
import { problemsOf, runCell, undisturbedRows } from './faults/run-cell.js'
import { IDS_REUSED } from './faults/sandbox-cells.js'
import type { RowCounts } from './faults/verdict.js'

let rig: Rig
let rows: RowCounts

before(async () => {
  rig = await startRig({ kind: 'cape' })
  rows = await undisturbedRows(rig)
})
after(() => rig.close())
after(stop)

const CELLS = [
  afterUpload('SIGKILL'),
  duringRequest('SIGKILL', 'report', 'mid-report'),
  httpFault('200 with an error object', 'report'),
  ...CAPE_CELLS.filter(({ fault }) => fault === 'throttled' || fault === 'tasks recovered'),
  IDS_REUSED,
]

for (const cell of CELLS) {
  test(`${cell.fault}, ${cell.moment}: every sample ends once, in CRITs or in DumpDir`, async () => {
    assert.deepEqual(problemsOf(await runCell(rig, cell, rows, seeded(1))), [])
  })
}

for (const mutation of MUTATIONS.filter(({ isLong, kind }) => !isLong && kind === 'cape')) {
  test(`the runner sees ${mutation.name}`, async () => {
    assert.deepEqual(await unseenBy(rig, mutation, rows), [])
  })
}
