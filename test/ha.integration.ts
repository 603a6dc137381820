// Three servers with one PostgreSQL, in short: the fault that nobody hears of, and the proof that two leaders at once would be seen.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { stop } from 'esbuild'
import { HA_CELLS, splitBrainUnseen } from './faults/ha-cells.js'
import { runHaCell } from './faults/ha-run.js'
import { problemsOf } from './faults/run-cell.js'

after(stop)

const SHORT = ['the leader SIGSTOP', 'the leader stopped between commit and request']

// Each waits for most of its time.
describe('three servers', { concurrency: 3 }, () => {
  for (const cell of HA_CELLS.filter(({ moment }) => SHORT.includes(moment))) {
    test(`lose nothing: ${cell.moment}`, async () => {
      assert.deepEqual(problemsOf(await runHaCell(cell, { patience: 4 })), [])
    })
  }

  test('whose fences hold nobody are seen', async () => {
    assert.deepEqual(await splitBrainUnseen(), [])
  })
})
