// The proof that the runner of faults sees what it looks for.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { MUTATIONS, unseenBy } from './faults/mutants.js'
import { type Rig, startRig } from './faults/rig.js'
import { undisturbedRows } from './faults/run-cell.js'
import type { RowCounts } from './faults/verdict.js'

let rig: Rig
let rows: RowCounts

before(async () => {
  rig = await startRig()
  rows = await undisturbedRows(rig)
})
after(() => rig.close())

for (const mutation of MUTATIONS.filter(({ isLong }) => !isLong)) {
  test(`the runner sees ${mutation.name}`, async () => {
    assert.deepEqual(await unseenBy(rig, mutation, rows), [])
  })
}
