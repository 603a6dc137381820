// Quorum queues on a cluster of three: one node and another is killed while samples pass through.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { seeded } from './faults/random-run.js'
import { type Rig, startRig } from './faults/rig.js'
import { problemsOf, runCell, undisturbedRows } from './faults/run-cell.js'
import { nodeKilled } from './faults/surroundings.js'
import type { RowCounts } from './faults/verdict.js'

let rig: Rig
let rows: RowCounts

before(async () => {
  rig = await startRig({ quorum: true })
  rows = await undisturbedRows(rig)
})
after(() => rig.close())

// The one that the services and the leaders of the queues are on, and another.
for (const cell of [0, 1].map(nodeKilled)) {
  test(`${cell.fault}: every sample ends once, in CRITs or in DumpDir`, async () => {
    assert.deepEqual(problemsOf(await runCell(rig, cell, rows, seeded(1))), [])
  })
}
