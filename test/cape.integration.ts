// A CAPE behind the built services: as it is shipped, in trouble, and with several tasks of one sample.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { assertAnalysedOnce, assertCleanEnd } from './expectations.js'
import { startScene } from './scene.js'

function sample(number: number, name = `sample-${number}.exe`) {
  return { name, bytes: Buffer.from(`MZ\x90 sample number ${number} C:\\Temp\\drop${number}.dll`) }
}

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
  const services = await scene.startAll({
    feed_cuckoo: { CuckooURL: cape.url, Sandbox: 'cape' },
    overseer: { RetryDelays: [1, 1, 1] },
  })
  const samples = [await scene.emit(sample(1)), await scene.emit(sample(2))]
  await waitFor(() => cape.submissions.length === 2, { describe: 'both samples to be submitted' })
  await cape.down()
  await cape.up()
  const parser = services[2]
  await parser.waitForLog('failed with a shared cause')
  assert.match(parser.output.join('\n'), /set \\"enabled = yes\\" under \[taskreport\] in its conf\/api\.conf/)
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
  const services = await scene.startAll({ feed_cuckoo: { CuckooURL: cape.url } })
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
