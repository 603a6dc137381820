// The short, seeded part of `npm run test:faults`, and the proof that the runner sees what it looks for.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  afterUpload,
  alarm,
  atBroker,
  dumpDirGone,
  duringRequest,
  httpFault,
  inRetryDelay,
  queueRemade,
} from './faults/cells.js'
import { MUTATIONS, withMutant } from './faults/mutants.js'
import { randomCell, seeded } from './faults/random-run.js'
import { type Rig, startRig } from './faults/rig.js'
import { problemsOf, runCell, undisturbedRows } from './faults/run-cell.js'
import type { RowCounts } from './faults/verdict.js'

let rig: Rig
let rows: RowCounts

before(async () => {
  rig = await startRig()
  rows = await undisturbedRows(rig)
})
after(() => rig.close())

const CELLS = [
  atBroker('SIGKILL', 'feed_cuckoo', 'confirm'),
  atBroker('SIGTERM', 'check_results', 'confirm'),
  atBroker('SIGKILL', 'parse_and_submit', 'ack'),
  atBroker('SIGKILL', 'overseer', 'publish'),
  atBroker('connections reset', 'check_results', 'publish'),
  afterUpload('SIGKILL'),
  duringRequest('SIGKILL', 'CRITs results', 'mid CRITs batch'),
  inRetryDelay('SIGKILL'),
  dumpDirGone('SIGKILL'),
  httpFault('answer lost after storing', 'CRITs results'),
  httpFault('200 HTML', 'report'),
  queueRemade('check'),
  alarm('memory alarm'),
]

for (const cell of CELLS) {
  test(`${cell.fault}, ${cell.moment}: every sample ends once, in CRITs or in DumpDir`, async () => {
    assert.deepEqual(problemsOf(await runCell(rig, cell, rows, seeded(1))), [])
  })
}

test('faults of all kinds at random moments: every sample ends once, in CRITs or in DumpDir', async () => {
  const cell = randomCell({ samples: 30, faults: 12, pauseMs: 800, brokerFaults: 1 }, 'seed 7')
  assert.deepEqual(problemsOf(await runCell(rig, cell, rows, seeded(7))), [])
})

test('a task message that comes twice with CuckooCleanup on: the second one does not undo the first', async () => {
  await rig.services.parse_and_submit.replace({ config: { CuckooCleanup: true } })
  const twice = atBroker('publishing connection reset', 'check_results', 'confirm')
  for (const cell of [twice, atBroker('SIGKILL', 'parse_and_submit', 'ack')]) {
    assert.deepEqual(problemsOf(await runCell(rig, cell, rows, seeded(1))), [])
  }
  await rig.services.parse_and_submit.replace({ config: { CuckooCleanup: false } })
})

for (const mutation of MUTATIONS) {
  test(`the runner sees ${mutation.name}`, async () => {
    const { service, cell, finds } = mutation
    const problems = await withMutant(mutation, async file => {
      await rig.services[service].replace({ build: file })
      const outcome = await runCell(rig, { ...cell, deadlineMs: 12_000 }, rows, seeded(1))
      await rig.services[service].replace({ build: service })
      return problemsOf(outcome)
    })
    assert.match(problems.join('\n'), finds)
  })
}
