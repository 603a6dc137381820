// The four built services together, from the message that CRITs sends to the results in CRITs.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type CuckooStandIn, type ServiceProcess, waitFor } from '@cuckoo-distributed/testing'
import { assertAnalysedOnce, assertCleanEnd, assertResults } from './expectations.js'
import { type Emitted, type Scene, type ServiceName, startScene } from './scene.js'

const reports = /^\/tasks\/report\/\d+$/

/** A sample unlike any other. */
function sample(number: number) {
  return {
    name: `sample-${number}.exe`,
    bytes: Buffer.from(`MZ\x90 sample number ${number} C:\\Temp\\drop${number}.dll`),
  }
}

async function emitSamples(scene: Scene, count: number): Promise<Emitted[]> {
  const emitted: Emitted[] = []
  for (let number = 1; number <= count; number += 1) emitted.push(await scene.emit(sample(number)))
  return emitted
}

function startAll(scene: Scene, cuckooUrl: string, cuckooKeys: object = {}): Promise<ServiceProcess[]> {
  return Promise.all([
    scene.start('feed_cuckoo', { ...cuckooKeys, CuckooURL: cuckooUrl }),
    scene.start('check_results', cuckooKeys),
    scene.start('parse_and_submit', cuckooKeys),
    scene.start('overseer'),
  ])
}

test("a message as CRITs sends it ends as a finished analysis with results, with no key but the Go suite's and CritsURL", async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  const services = await startAll(scene, cuckoo.url)
  const analysis = await scene.emit(sample(1))
  await scene.allAre('completed', [analysis])
  assertResults(scene, analysis)
  assertAnalysedOnce([analysis], cuckoo)
  await assertCleanEnd(scene, services, cuckoo)
})

test('a Cuckoo 2.0.7 with an API token gets it from every service, and no log shows it', async t => {
  const scene = await startScene(t)
  const apiToken = 'aPrivateToken'
  const cuckoo = await scene.startCuckoo({ version: '2.0', apiToken })
  const services = await startAll(scene, cuckoo.url, { CuckooTokens: { [`${cuckoo.url}/`]: apiToken } })
  const analysis = await scene.emit(sample(1))
  await scene.allAre('completed', [analysis])
  assert.ok((scene.crits.analyses.get(analysis.analysisId)?.results.length ?? 0) > 10)
  await assertCleanEnd(scene, services, cuckoo)
  for (const { output } of services) assert.ok(!output.join('\n').includes(apiToken))
})

test('two Cuckoos behind one queue and two instances of every stage: each sample is analysed once, its results are its own', async t => {
  const scene = await startScene(t)
  const cuckoos = await Promise.all([scene.startCuckoo(), scene.startCuckoo({ version: '1.3' })])
  const [first, second] = await Promise.all(cuckoos.map(({ url }) => startAll(scene, url)))
  assert.ok(first && second)
  const samples = await emitSamples(scene, 24)
  await scene.allAre('completed', samples)
  for (const each of samples) assertResults(scene, each)
  assertAnalysedOnce(samples, ...cuckoos)
  for (const { submissions } of cuckoos) assert.ok(submissions.length > 0, 'both Cuckoos had work')
  await assertCleanEnd(scene, [...first, ...second], ...cuckoos)
})

test("the original README's two chained configurations: each instance parses each sample once, nothing runs in a circle", async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  const { queues, broker } = scene
  const own = { Amqp: broker.url, FailedQueue: queues.failed, LogFile: '' }
  const first = {
    ...(await fixture('chain-first')),
    ...own,
    ConsumerQueue: queues.parse,
    ProducerQueue: queues.dropped,
  }
  const second = {
    ...(await fixture('chain-second')),
    ...own,
    ConsumerQueue: queues.dropped,
    ProducerQueue: queues.parse,
  }
  const services = await Promise.all([
    scene.start('feed_cuckoo', { CuckooURL: cuckoo.url }),
    scene.start('check_results'),
    scene.start('parse_and_submit', first),
    scene.start('parse_and_submit', second),
    scene.start('overseer'),
  ])
  const samples = await emitSamples(scene, 5)
  await scene.allAre('completed', samples)
  for (const each of samples) assertResults(scene, each)
  await assertCleanEnd(scene, services, cuckoo)
  const downloads = (path: RegExp) => cuckoo.journal.filter(entry => path.test(entry.path)).length
  assert.equal(downloads(reports), samples.length)
  assert.equal(downloads(/^\/tasks\/report\/\d+\/dropped/), samples.length)
  assertAnalysedOnce(samples, cuckoo)
})

async function fixture(name: string): Promise<object> {
  return JSON.parse(await readFile(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8'))
}

test('what fails four times is dumped and shown as an error in CRITs; --resubmitDumped brings it through', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  const services = await startAll(scene, cuckoo.url)
  const uploads = { method: 'POST', path: '/tasks/create/file' }
  cuckoo.faults.next({ kind: 'status', status: 413, match: uploads, times: Number.POSITIVE_INFINITY })
  const analysis = await scene.emit(sample(1))
  await scene.allAre('error', [analysis])
  assert.equal(cuckoo.journal.filter(({ method }) => method === 'POST').length, 4)
  const stored = scene.crits.analyses.get(analysis.analysisId)
  assert.deepEqual(stored?.results, [])
  assert.match(stored?.log.at(-1)?.message ?? '', /^Given up \(failed 4 times\).* feed_cuckoo: .*status 413/)
  const [name = '', ...others] = (await readdir(scene.dumpDir)).filter(file => !file.startsWith('.'))
  assert.deepEqual(others, [])
  const dump = JSON.parse(await readFile(join(scene.dumpDir, name), 'utf8'))
  assert.deepEqual([dump.Queue, dump.Attempts, dump.Msg], [scene.queues.feed, 4, analysis.body.toString()])
  cuckoo.faults.clear()
  const command = await scene.resubmitDumped()
  assert.deepEqual(await command.exit, { code: 0, signal: null })
  await scene.allAre('completed', [analysis])
  assertResults(scene, analysis)
  assertAnalysedOnce([analysis], cuckoo)
  await assertCleanEnd(scene, services, cuckoo)
})

/** The moment when parse_and_submit has a message in work and has not sent a result of it. */
async function downloadBegun(cuckoo: CuckooStandIn): Promise<void> {
  await waitFor(() => cuckoo.journal.some(({ path }) => reports.test(path)), {
    describe: 'the download of a report',
  })
}

test('each service stopped in the middle of its work and started again: nothing is lost and nothing is done twice', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo({ analysisTime: 1000 })
  const feedConfig = { CuckooURL: cuckoo.url }
  const uploads = { method: 'POST', path: '/tasks/create/file' }
  cuckoo.faults.next({ kind: 'status', status: 413, match: uploads })
  cuckoo.faults.next({ kind: 'slow', milliseconds: 1000, match: { ...uploads, nth: 3 } })
  cuckoo.faults.next({ kind: 'slow', milliseconds: 3000, match: { path: reports } })
  const [feed, check, parse, overseer] = await startAll(scene, cuckoo.url)
  assert.ok(feed && check && parse && overseer)
  const samples = await emitSamples(scene, 8)
  const restart = async (service: ServiceProcess, name: ServiceName, config?: object) => {
    assert.deepEqual(await service.stop(), { code: 0, signal: null })
    return scene.start(name, config)
  }
  const restarted = await Promise.all([
    overseer.waitForLog('will be tried again').then(() => restart(overseer, 'overseer')),
    feed.waitForLog('submitted to Cuckoo').then(() => restart(feed, 'feed_cuckoo', feedConfig)),
    check.waitForLog('received').then(() => restart(check, 'check_results')),
    downloadBegun(cuckoo).then(() => restart(parse, 'parse_and_submit')),
  ])
  await scene.allAre('completed', samples)
  for (const each of samples) assertResults(scene, each)
  assertAnalysedOnce(samples, cuckoo)
  assert.equal(cuckoo.faults.pending, 0)
  await assertCleanEnd(scene, restarted, cuckoo)
})

test('all four services stopped at once and started again: nothing is lost and nothing is done twice', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  cuckoo.faults.next({ kind: 'slow', milliseconds: 3000, match: { path: reports } })
  const services = await startAll(scene, cuckoo.url)
  const samples = await emitSamples(scene, 12)
  await downloadBegun(cuckoo)
  for (const exit of await Promise.all(services.map(service => service.stop()))) assert.equal(exit.code, 0)
  const restarted = await startAll(scene, cuckoo.url)
  await scene.allAre('completed', samples)
  for (const each of samples) assertResults(scene, each)
  assertAnalysedOnce(samples, cuckoo)
  await assertCleanEnd(scene, restarted, cuckoo)
})

test('parse_and_submit stopped between two batches goes on from there when it is started again', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  scene.crits.faults.next({ kind: 'slow', milliseconds: 300, match: { method: 'POST' }, times: 12 })
  const [parse, ...others] = await Promise.all([
    scene.start('parse_and_submit'),
    scene.start('feed_cuckoo', { CuckooURL: cuckoo.url }),
    scene.start('check_results'),
    scene.start('overseer'),
  ])
  const samples = await emitSamples(scene, 4)
  await waitFor(() => [...scene.crits.analyses.values()].some(({ results }) => results.length > 0), {
    describe: 'the first results',
  })
  assert.deepEqual(await parse.stop(), { code: 0, signal: null })
  const again = await scene.start('parse_and_submit')
  await scene.allAre('completed', samples)
  for (const each of samples) assertResults(scene, each)
  await assertCleanEnd(scene, [again, ...others], cuckoo)
})
