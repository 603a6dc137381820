// Long outages of Cuckoo and of CRITs: six times HoldLimit here, as ten minutes are one by default.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { leftBehind } from './expectations.js'
import { type Scene, startScene } from './scene.js'

const HOLD_SECONDS = 1
const OUTAGE_MS = 6000 * HOLD_SECONDS

async function startPipeline(scene: Scene, cuckooUrl: string) {
  const hold = { HoldLimit: HOLD_SECONDS }
  return Promise.all([
    scene.start('feed_cuckoo', { ...hold, CuckooURL: cuckooUrl }),
    scene.start('check_results', hold),
    scene.start('parse_and_submit', { ...hold, CritsURL: scene.crits.url }),
    scene.start('overseer', hold),
  ])
}

const samples = Array.from({ length: 8 }, (_, i) => ({
  name: `${i}.exe`,
  bytes: Buffer.from(`MZ outage ${i} C:\\${i}.dll`),
}))

/** Emits one sample after the other, so that the outage meets messages in every stage. */
async function emitAround(scene: Scene, outage: () => Promise<void>) {
  const emitted = []
  for (const sample of samples.slice(0, 4)) emitted.push(await scene.emit(sample))
  await outage()
  for (const sample of samples.slice(4)) emitted.push(await scene.emit(sample))
  return emitted
}

async function assertNothingFailed({ broker, queues, dumpDir, crits }: Scene): Promise<void> {
  assert.deepEqual(await leftBehind(dumpDir), [])
  for (const queue of Object.values(queues)) {
    await waitFor(async () => (await broker.depth(queue)) === 0, { describe: `${queue} to be empty` })
  }
  assert.deepEqual(crits.violations, [])
}

test('Cuckoo away for six times HoldLimit: nothing is dumped, no attempt counts, every sample is analysed once', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo({ analysisTime: 500 })
  const [, , , overseer] = await startPipeline(scene, cuckoo.url)
  const emitted = await emitAround(scene, () => cuckoo.down())
  const back = Date.now() + OUTAGE_MS
  await waitFor(() => Date.now() >= back, { deadlineMs: 2 * OUTAGE_MS, describe: 'the end of the outage' })
  await cuckoo.up()
  await scene.allAre('completed', emitted)
  assert.equal(cuckoo.submissions.length, samples.length)
  assert.equal(overseer?.log.filter(line => line.msg === 'will be tried again').length, 0)
  await assertNothingFailed(scene)
})

test('CRITs away for six times HoldLimit: nothing is dumped, no attempt counts, every analysis completes', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo({ analysisTime: 500 })
  const [, , , overseer] = await startPipeline(scene, cuckoo.url)
  const emitted = await emitAround(scene, async () => {
    await waitFor(() => cuckoo.submissions.length > 0, { describe: 'the first task' })
  })
  await scene.crits.down()
  const back = Date.now() + OUTAGE_MS
  await waitFor(() => Date.now() >= back, { deadlineMs: 2 * OUTAGE_MS, describe: 'the end of the outage' })
  await scene.crits.up()
  await scene.allAre('completed', emitted)
  assert.equal(overseer?.log.filter(line => line.msg === 'will be tried again').length, 0)
  await assertNothingFailed(scene)
})
