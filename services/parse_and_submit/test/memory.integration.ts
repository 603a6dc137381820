// What parse_and_submit holds in memory while reports and archives of 300 MB pass through it, seen from outside.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { type Body, bigArchive, bigReport, memoryBody, sampleFacts, spool, zip } from '@cuckoo-distributed/testing'
import { rowsOf, startScene } from './scene.js'

const MB = 1_000_000
const MIB = 1024 * 1024
const DEADLINE_MS = 240_000

const sample = { name: 'large.exe', bytes: Buffer.from('MZ the sample of a large analysis') }

interface Storage {
  report: Body
  dropped: Body
}

async function spooled(t: TestContext, source: AsyncIterable<Buffer>): Promise<Body> {
  const body = await spool(source)
  t.after(() => body.close())
  return body
}

/** Starts the service, lets it do a small analysis, then one with `large`; returns how far its memory grew meanwhile. */
async function growth(t: TestContext, large: Partial<Storage>, config: Record<string, unknown> = {}) {
  const storage = {
    report: await spooled(t, bigReport({ bytes: MB, sample: sampleFacts(sample.bytes) })),
    dropped: await spooled(t, bigArchive({ files: 3, bytesEach: 100_000, compression: 'gz' })),
  }
  const options = { cuckoo: { report: () => storage.report, dropped: () => storage.dropped }, crits: { keepLimit: 0 } }
  const { broker, queues, crits, start, analyse, ended } = await startScene(t, options)
  const service = await start({ CuckooCleanup: true, ...config })
  const warmUp = await analyse(sample)
  await broker.publish(queues.parse, warmUp.message)
  await ended(warmUp)
  const { current: idle } = await service.rss()
  Object.assign(storage, large)
  const analysis = await analyse(sample)
  await service.resetPeak()
  await broker.publish(queues.parse, analysis.message)
  const stored = await ended(analysis, 'completed', DEADLINE_MS)
  const { peak } = await service.rss()
  t.diagnostic(`resident: ${mib(idle)} MiB idle, ${mib(peak)} MiB at most`)
  assert.deepEqual(crits.violations, [])
  return { stored, grown: peak - idle }
}

const mib = (bytes: number) => Math.round(bytes / MIB)

test('a report of 300 MB passes in at most 80 MiB over the idle process', async t => {
  const report = await spooled(t, bigReport({ bytes: 300 * MB, sample: sampleFacts(sample.bytes) }))
  assert.ok(report.bytes >= 300 * MB)
  const { stored, grown } = await growth(t, { report })
  assert.equal(rowsOf(stored, 'api_call').length, 1000)
  assert.ok(stored.log.some(line => line.message.includes(`report of ${report.bytes} bytes read`)))
  assert.ok(grown <= 80 * MIB, `it grew by ${mib(grown)} MiB`)
})

test('a report of CAPE of 75 MB passes all parsers in as much', async t => {
  const report = await spooled(t, bigReport({ bytes: 75 * MB, version: 'CAPE', sample: sampleFacts(sample.bytes) }))
  const EnabledParsers = ['info', 'signatures', 'behavior', 'dropped', 'network', 'configs', 'detections']
  const { stored, grown } = await growth(t, { report }, { EnabledParsers, PushApiCallsMax: 67_253 })
  assert.ok(rowsOf(stored, 'api_call').length > 10_000)
  assert.equal(rowsOf(stored, 'detection').length, 1)
  assert.ok(grown <= 80 * MIB, `it grew by ${mib(grown)} MiB`)
})

// Usually half of that; bench/ shows the figure, which moves with V8's collector and with malloc.
// Unpacking a gigabyte of bzip2 takes half a minute, but the decoder's memory is in use after the first megabyte.
for (const [compression, files, packed] of [
  ['none', 600, 'an unpacked'],
  ['gz', 100, 'a gzip'],
  ['bz2', 30, 'a bzip2'],
] as const) {
  test(`${packed} archive of ${files} dropped files of 500 kB passes in at most 120 MiB over the idle process`, async t => {
    const dropped = await spooled(t, bigArchive({ files, bytesEach: 500_000, compression }))
    const { stored, grown } = await growth(t, { dropped })
    assert.equal(rowsOf(stored, 'file_added').length, files)
    assert.ok(stored.log.some(line => line.message === `${files} dropped files, ${files} uploaded`))
    assert.ok(grown <= 120 * MIB, `it grew by ${mib(grown)} MiB`)
  })
}

for (const password of [undefined, 'infected']) {
  const how = password ? 'an encrypted zip' : 'a zip'
  test(`${how} of 100 dropped files of 500 kB passes in as much`, async t => {
    const files = Array.from({ length: 100 }, (_, at) => ({ name: `files/${at}`, content: randomBytes(500_000) }))
    const { stored, grown } = await growth(t, { dropped: memoryBody(zip(files, { password })) })
    assert.equal(rowsOf(stored, 'file_added').length, 100)
    assert.ok(grown <= 120 * MIB, `it grew by ${mib(grown)} MiB`)
  })
}
