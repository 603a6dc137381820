// Hundreds of samples through the built services: what they hold afterwards is what they held before.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { makeReport } from '@cuckoo-distributed/testing'
import { assertAnalysedOnce } from './expectations.js'
import { assertFlat, type Figures, figuresOf, TELLING } from './figures.js'
import { type Emitted, type Scene, startScene } from './scene.js'

const MiB = 1024 * 1024
/** `npm run test:soak` asks for 10,000. */
const SAMPLES = Number(process.env.SOAK_SAMPLES ?? 250)
const PARTS = 5

test(`${SAMPLES} reports leave no memory, descriptor, socket, timer or listener behind in any service`, t =>
  leavesNothing(t, SAMPLES, ['info', 'signatures', 'behavior']))

test(`${SAMPLES / 10} reports with dropped files leave nothing behind either`, t =>
  leavesNothing(t, SAMPLES / 10, ['info', 'signatures', 'behavior', 'dropped']))

async function leavesNothing(t: TestContext, samples: number, EnabledParsers: readonly string[]): Promise<void> {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo({
    analysisTime: 0,
    machines: 50,
    report: ({ sample }) => makeReport(sample, { calls: 2 }),
  })
  const feed = { CuckooURL: cuckoo.url, MaxPending: 1000, PrefetchCount: 10, LogLevel: 'info' }
  const services = await Promise.all([
    scene.start('feed_cuckoo', feed, TELLING),
    scene.start('check_results', { PrefetchCount: 500, LogLevel: 'info' }, TELLING),
    scene.start('parse_and_submit', { LogLevel: 'info', EnabledParsers }, TELLING),
    scene.start('overseer', {}, TELLING),
  ])
  const all: Emitted[] = []
  const figures: Figures[][] = []
  for (let part = 0; part < PARTS; part += 1) {
    const emitted = await emit(scene, part, samples / PARTS)
    await scene.allAre('completed', emitted, 60_000 + 500 * emitted.length)
    all.push(...emitted)
    figures.push(await Promise.all(services.map(service => figuresOf(service))))
  }
  assertAnalysedOnce(all, cuckoo)
  for (const [index, service] of services.entries()) {
    const own = figures.map(part => part[index])
    t.diagnostic(`${service.name}: ${own.map(part => JSON.stringify(part)).join(' ')}`)
    const [, , third, , last] = own
    assert.ok(third && last)
    assertFlat(service, third, last, { bytes: 2 * MiB, rss: 32 * MiB })
    assert.equal((await service.stop()).code, 0)
  }
}

async function emit(scene: Scene, part: number, count: number): Promise<Emitted[]> {
  const emitted: Emitted[] = []
  for (let i = 0; i < count; i += 1) {
    emitted.push(await scene.emit({ name: 'small.exe', bytes: Buffer.from(`MZ ${part} ${i}`) }))
  }
  return emitted
}
