// Waits far longer than HoldLimit, which is ten minutes by default and one second here: fifty of them are more than eight hours.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type CuckooStandIn, type ServiceProcess, waitFor } from '@cuckoo-distributed/testing'
import { assertAnalysedOnce, assertCleanEnd, assertResults, leftBehind } from './expectations.js'
import { assertFlat, type Figures, figuresOf, TELLING } from './figures.js'
import { type Emitted, type Scene, startScene } from './scene.js'

const MiB = 1024 * 1024
const HOLD_SECONDS = 1
const WAIT_MS = 50_000 * HOLD_SECONDS
const SAMPLES = 6

const hold = { HoldLimit: HOLD_SECONDS }

function startPipeline(scene: Scene, cuckoo: CuckooStandIn, checkConfig: object = {}) {
  return Promise.all([
    scene.start('feed_cuckoo', { ...hold, CuckooURL: cuckoo.url }, TELLING),
    scene.start('check_results', { ...hold, ...checkConfig }, TELLING),
    scene.start('parse_and_submit', { ...hold, CritsURL: scene.crits.url }, TELLING),
    scene.start('overseer', hold, TELLING),
  ])
}

async function emitAll(scene: Scene): Promise<Emitted[]> {
  const emitted: Emitted[] = []
  for (let i = 0; i < SAMPLES; i += 1) {
    emitted.push(await scene.emit({ name: `${i}.exe`, bytes: Buffer.from(`MZ a long wait ${i} C:\\${i}.dll`) }))
  }
  return emitted
}

/** Lets the time pass and looks again and again: nothing fails, and no message is there twice. */
async function pass(scene: Scene, ms: number): Promise<void> {
  const end = Date.now() + ms
  await waitFor(
    async () => {
      const depths = await Promise.all(Object.values(scene.queues).map(queue => scene.broker.depth(queue)))
      const ready = depths.reduce<number>((sum, depth) => sum + (depth ?? 0), 0)
      // A message that goes to the end of its queue is there twice until the first of it is acknowledged.
      assert.ok(ready <= 2 * SAMPLES, `${depths} messages are ready`)
      assert.deepEqual(await leftBehind(scene.dumpDir), [])
      return Date.now() >= end
    },
    { deadlineMs: 2 * ms + 10_000, everyMs: 250, describe: 'the end of the wait' },
  )
}

/** Waits, and holds what the services have after a quarter of the time against what they have at its end. */
async function passFlat(scene: Scene, services: readonly ServiceProcess[]): Promise<void> {
  const look = (): Promise<Figures[]> => Promise.all(services.map(service => figuresOf(service, 2000)))
  await pass(scene, WAIT_MS / 4)
  const before = await look()
  await pass(scene, (WAIT_MS * 3) / 4)
  const after = await look()
  for (const [index, service] of services.entries()) {
    const [first, last] = [before[index], after[index]]
    assert.ok(first && last)
    assertFlat(service, first, last, { bytes: 2 * MiB, rss: 48 * MiB })
  }
}

async function assertDoneOnce(
  scene: Scene,
  services: readonly ServiceProcess[],
  cuckoo: CuckooStandIn,
  emitted: readonly Emitted[],
): Promise<void> {
  // After so long an outage the next probe may be a minute away.
  await scene.allAre('completed', emitted, 120_000)
  assertAnalysedOnce(emitted, cuckoo)
  for (const sample of emitted) assertResults(scene, sample)
  const retried = services.flatMap(({ log }) => log.filter(({ msg }) => msg === 'will be tried again'))
  assert.deepEqual(retried, [])
  await assertCleanEnd(scene, services, cuckoo)
}

describe('a wait of fifty times HoldLimit', { concurrency: true }, () => {
  test('for an analysis: nothing is dumped or analysed twice, nothing grows, and the results come once', async t => {
    const scene = await startScene(t)
    const cuckoo = await scene.startCuckoo({ analysisTime: Number.POSITIVE_INFINITY, machines: SAMPLES })
    const services = await startPipeline(scene, cuckoo)
    const emitted = await emitAll(scene)
    await waitFor(() => cuckoo.submissions.length === SAMPLES, { describe: 'all tasks' })
    await passFlat(scene, services)
    for (const { id } of cuckoo.submissions) cuckoo.move(id, 'reported')
    await assertDoneOnce(scene, services, cuckoo, emitted)
  })

  test('for a Cuckoo that is away: nothing is dumped or analysed twice, nothing grows, and the results come once', async t => {
    const scene = await startScene(t)
    const cuckoo = await scene.startCuckoo({ analysisTime: 1000, machines: SAMPLES })
    const services = await startPipeline(scene, cuckoo)
    const first = await scene.emit({ name: 'first.exe', bytes: Buffer.from('MZ first C:\\first.dll') })
    await waitFor(() => cuckoo.submissions.length === 1, { describe: 'the first task' })
    await cuckoo.down()
    const others = await emitAll(scene)
    await passFlat(scene, services)
    await cuckoo.up()
    await assertDoneOnce(scene, services, cuckoo, [first, ...others])
  })

  test('beyond AnalysisDeadline: each message is dumped once, at once, and its analysis is an error in CRITs', async t => {
    const scene = await startScene(t)
    const cuckoo = await scene.startCuckoo({ analysisTime: Number.POSITIVE_INFINITY })
    const services = await startPipeline(scene, cuckoo, { AnalysisDeadline: 5 * HOLD_SECONDS })
    const emitted = await emitAll(scene)
    await scene.allAre('error', emitted)
    const names = (await readdir(scene.dumpDir)).filter(file => !file.startsWith('.'))
    const dumps = await Promise.all(names.map(name => readFile(join(scene.dumpDir, name), 'utf8')))
    const ids = dumps.map(text => {
      const { Service, Desc, Attempts, Msg } = JSON.parse(text)
      assert.deepEqual(
        { Service, Desc, Attempts },
        { Service: 'check_results', Desc: 'ANALYSIS_DEADLINE', Attempts: 1 },
      )
      return JSON.parse(Msg).CritsData.analysis_id
    })
    assert.deepEqual(ids.sort(), emitted.map(({ analysisId }) => analysisId).sort())
    assertAnalysedOnce(emitted, cuckoo)
    for (const queue of Object.values(scene.queues)) assert.equal(await scene.broker.depth(queue), 0, queue)
    for (const exit of await Promise.all(services.map(service => service.stop()))) assert.equal(exit.code, 0)
  })
})
