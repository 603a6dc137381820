// The short, seeded part of `npm run test:faults`, and the proof that its runner sees what it looks for.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { stop } from 'esbuild'
import fc from 'fast-check'
import { alarm, queueRemade } from './faults/broker-cells.js'
import { afterUpload, atBroker, duringRequest, httpFault, inRetryDelay, noAnswer } from './faults/cells.js'
import { ANALYSIS_DELETED, FILES_REJECTED } from './faults/crits-cells.js'
import { HIDDEN_TASK } from './faults/cuckoo-cells.js'
import { dumpDirFails } from './faults/dump-dir.js'
import { dumpedBodies } from './faults/dumps.js'
import { KEY_EXPIRED, listsFail } from './faults/half-broken-cells.js'
import { MUTATIONS, unseenBy } from './faults/mutants.js'
import { publishConfirmed } from './faults/publish.js'
import { randomCell, seeded } from './faults/random-run.js'
import { QUEUES, type Rig, startRig } from './faults/rig.js'
import { problemsOf, runCell, undisturbedRows } from './faults/run-cell.js'
import { IDS_REUSED, VANISHED_WHILE_WATCHED } from './faults/sandbox-cells.js'
import type { RowCounts } from './faults/verdict.js'

let rig: Rig
let rows: RowCounts

before(async () => {
  rig = await startRig()
  rows = await undisturbedRows(rig)
})
after(() => rig.close())
after(stop)

const CELLS = [
  atBroker('SIGKILL', 'feed_cuckoo', 'confirm'),
  atBroker('SIGTERM', 'check_results', 'confirm'),
  atBroker('SIGKILL', 'parse_and_submit', 'ack'),
  atBroker('SIGKILL', 'overseer', 'publish'),
  atBroker('connections reset', 'check_results', 'publish'),
  afterUpload('SIGKILL'),
  duringRequest('SIGKILL', 'CRITs results', 'mid CRITs batch'),
  inRetryDelay('SIGKILL'),
  dumpDirFails('gone', 'SIGKILL'),
  httpFault('answer lost after storing', 'CRITs results'),
  httpFault('200 with an error object', 'report'),
  noAnswer('report'),
  VANISHED_WHILE_WATCHED,
  IDS_REUSED,
  HIDDEN_TASK,
  ANALYSIS_DELETED,
  FILES_REJECTED,
  atBroker('consuming connection reset', 'feed_cuckoo', 'publish'),
  queueRemade('check'),
  alarm('memory alarm'),
  listsFail('every list 500', { kind: 'status', status: 500 }),
  KEY_EXPIRED,
]

for (const cell of CELLS) {
  test(`${cell.fault}, ${cell.moment}: every sample ends once, in CRITs or in DumpDir`, async () => {
    assert.deepEqual(problemsOf(await runCell(rig, cell, rows, seeded(1))), [])
  })
}

for (const mutation of MUTATIONS.filter(({ isLong, kind }) => !isLong && kind === undefined)) {
  test(`the runner sees ${mutation.name}`, async () => {
    assert.deepEqual(await unseenBy(rig, mutation, rows), [])
  })
}

test('faults of all kinds at random moments: every sample ends once, in CRITs or in DumpDir', async () => {
  const cell = randomCell({ samples: 30, faults: 12, pauseMs: 800, brokerFaults: 1 }, 'seed 7')
  assert.deepEqual(problemsOf(await runCell(rig, cell, rows, seeded(7))), [])
})

test('what is no message at all ends in DumpDir, byte for byte, from whatever queue', async () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array))
  const text = fc.oneof(fc.json(), fc.string({ unit: 'binary' })).map(value => Buffer.from(value))
  const bodies = fc.sample(fc.oneof(bytes, text), { numRuns: 90, seed: 7 })
  const queues = [QUEUES.feed, QUEUES.check, QUEUES.parse]
  for (const [turn, queue] of queues.entries()) {
    const own = bodies.filter((_, index) => index % queues.length === turn)
    await publishConfirmed(rig, queue, own)
  }
  const missing = async () => {
    const dumped = new Set((await dumpedBodies(rig.dumpDir)).map(body => body.toString('hex')))
    return bodies.filter(body => !dumped.has(body.toString('hex'))).length
  }
  await waitFor(async () => (await missing()) === 0, { describe: 'every body in a dump' })
})

test('a task message that comes twice with CuckooCleanup on: the second one does not undo the first', async () => {
  await rig.services.parse_and_submit.replace({ config: { CuckooCleanup: true } })
  // The second one looks for half a minute before it believes that the task is gone.
  const twice = { ...atBroker('publishing connection reset', 'check_results', 'confirm'), samples: 1 }
  for (const cell of [twice, atBroker('SIGKILL', 'parse_and_submit', 'ack')]) {
    assert.deepEqual(problemsOf(await runCell(rig, cell, rows, seeded(1))), [])
  }
  await rig.services.parse_and_submit.replace({ config: { CuckooCleanup: false } })
})
