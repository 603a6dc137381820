// A CAPE beside a Cuckoo: one feed_cuckoo for each, one check_results and one parse_and_submit for both.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CapeStandIn, publishAsCrits, runCritsService, waitFor } from '@cuckoo-distributed/testing'
import { assertAnalysedOnce, assertCleanEnd, assertResults } from './expectations.js'
import { type Emitted, type Scene, startScene } from './scene.js'

const KEY = 'aPrivateKeyOfTheFeeder'

function sample(number: number, name = `sample-${number}.exe`) {
  return { name, bytes: Buffer.from(`MZ\x90 sample number ${number} C:\\Temp\\drop${number}.dll`) }
}

async function emitTo(scene: Scene, queue: string, count: number, first: number): Promise<Emitted[]> {
  const emitted: Emitted[] = []
  for (let number = first; number < first + count; number += 1) {
    const running = runCritsService(scene.crits, sample(number))
    await publishAsCrits(scene.broker, queue, running.body)
    emitted.push({ ...sample(number), ...running })
  }
  return emitted
}

function throttled({ journal }: CapeStandIn): number {
  return journal.filter(({ status }) => status === 429).length
}

test('a mixed fleet with a token and throttling: every sample is analysed once, and has the rows that a Cuckoo gives', async t => {
  const scene = await startScene(t)
  const { queues } = scene
  const cuckoo = await scene.startCuckoo()
  const cape = await scene.startCape({
    on: ['cuckoostatus', 'taskdelete'],
    users: [{ name: 'feeder', keys: [KEY], rate: 6 }],
    rateWindow: 1000,
  })
  const keys = { CuckooTokens: { [cape.url]: KEY }, RequestsPerMinute: 'staff' }
  const services = await Promise.all([
    scene.start('feed_cuckoo', { ...keys, ConsumerQueue: queues.feed, CuckooURL: cuckoo.url }),
    scene.start('feed_cuckoo', { ...keys, ConsumerQueue: queues.dropped, CuckooURL: cape.url }),
    scene.start('check_results', keys),
    scene.start('parse_and_submit', keys),
    scene.start('overseer'),
  ])
  const [first, second] = [await emitTo(scene, queues.feed, 6, 1), await emitTo(scene, queues.dropped, 6, 7)]
  await scene.allAre('completed', first)
  await scene.allAre('completed', second, 120_000)
  assertAnalysedOnce(first, cuckoo)
  assertAnalysedOnce(second, cape)
  for (const each of [...first, ...second]) assertResults(scene, each)
  assert.ok(throttled(cape) > 0, 'the CAPE has throttled')
  await assertCleanEnd(scene, services, cuckoo, cape)
  for (const { output } of services) assert.ok(!output.join('\n').includes(KEY))
})

test('a CAPE as it is shipped: no status, no deletion, no junk names; each is told once and respected', async t => {
  const scene = await startScene(t)
  const cape = await scene.startCape({ machines: 1 })
  const feeder = await scene.start('feed_cuckoo', { CuckooURL: cape.url })
  const others = await Promise.all([scene.start('check_results'), scene.start('parse_and_submit')])
  const samples = [await scene.emit(sample(1)), await scene.emit(sample(2, 'readme.exe')), await scene.emit(sample(3))]
  await scene.allAre('completed', samples)
  assertAnalysedOnce(samples, cape)
  assert.deepEqual([...cape.tasks.values()].map(({ fileName }) => fileName).sort(), [
    'sample-1.exe',
    'sample-3.exe',
    'sample.exe',
  ])
  const said = (text: RegExp) =>
    [feeder, ...others].flatMap(({ output }) => output.filter(line => text.test(line))).length
  await waitFor(() => said(/under \[taskdelete\]/) > 0, { describe: 'the deletion that is off to be told' })
  for (const { output } of [feeder, ...others]) {
    assert.equal(output.filter(line => /under \[cuckoostatus\]/.test(line)).length, 1)
  }
  const asked = (part: string) => cape.journal.filter(({ path }) => path.includes(part)).length
  assert.equal(asked('/tasks/delete_many/'), 0)
  const log = scene.crits.analyses.get(samples[1]?.analysisId ?? '')?.log ?? []
  assert.match(JSON.stringify(log), /junk names refuses .*readme\.exe/)
  for (const exit of await Promise.all([feeder, ...others].map(service => service.stop()))) assert.equal(exit.code, 0)
  assert.equal(said(/under \[taskdelete\]/), 1)
  // Two messages may end at the same time.
  assert.ok(asked('/tasks/delete/') <= 2)
  assert.deepEqual(cape.violations, [])
})

test('a CAPE that restarts in the middle, an upload whose answer is lost, an endpoint that is off for a while: nothing is lost or doubled', async t => {
  const scene = await startScene(t)
  const cape = await scene.startCape({ analysisTime: 300, on: ['taskdelete', 'cuckoostatus'] })
  cape.faults.next({ kind: 'lostAfterStore', match: { method: 'POST' } })
  cape.switch('taskreport', 'off')
  const services = await Promise.all([
    scene.start('feed_cuckoo', { CuckooURL: cape.url, Sandbox: 'cape' }),
    scene.start('check_results'),
    scene.start('parse_and_submit'),
    scene.start('overseer', { RetryDelays: [1, 1, 1] }),
  ])
  const samples = [await scene.emit(sample(1)), await scene.emit(sample(2))]
  await waitFor(() => cape.submissions.length === 2, { describe: 'both samples to be submitted', deadlineMs: 30_000 })
  await cape.down()
  await cape.up()
  const parser = services[2]
  await parser.waitForLog('failed for a shared cause')
  cape.switch('taskreport', 'on')
  await scene.allAre('completed', samples)
  assertAnalysedOnce(samples, cape)
  await assertCleanEnd(scene, services, cape)
})

test('several tasks of one sample are one analysis: rows of all, the failed one told, one end, all deleted', async t => {
  const scene = await startScene(t)
  const cape = await scene.startCape({
    on: ['taskdelete', 'cuckoostatus'],
    tasksPerUpload: () => 3,
    analysisTime: Number.POSITIVE_INFINITY,
    artefacts: ({ id }) => ({ dropped: [{ name: `drop-${id}.txt`, content: Buffer.from(`dropped by ${id}`) }] }),
  })
  const services = await Promise.all([
    scene.start('feed_cuckoo', { CuckooURL: cape.url }),
    scene.start('check_results'),
    scene.start('parse_and_submit'),
    scene.start('overseer'),
  ])
  const analysis = await scene.emit(sample(1))
  await waitFor(() => cape.submissions.length === 3, { describe: 'the tasks to be made' })
  for (const [id, status] of [
    [1, 'reported'],
    [2, 'failed_processing'],
  ] as const)
    cape.move(id, status, 'it broke')
  const viewed = () => cape.journal.filter(({ path }) => /tasks\/(list|view)/.test(path)).length
  const before = viewed()
  await waitFor(() => viewed() > before + 10, { describe: 'the sandbox to be asked some more' })
  assert.equal(scene.crits.analyses.get(analysis.analysisId)?.results.length, 0)
  cape.move(3, 'reported')
  await scene.allAre('completed', [analysis])
  const stored = scene.crits.analyses.get(analysis.analysisId)
  const of = (subtype: string) => stored?.results.filter(row => row.subtype === subtype) ?? []
  assert.equal(of('info').length, 2)
  assert.deepEqual(
    of('file_added').map(({ result }) => result),
    ['drop-1.txt', 'drop-3.txt'],
  )
  assert.match(
    JSON.stringify(stored?.log),
    /task 2 is \\"failed_processing\\" but has no report; Cuckoo says: it broke/,
  )
  await assertCleanEnd(scene, services, cape)
})
