import assert from 'node:assert/strict'
import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startCrits, waitFor } from '@cuckoo-distributed/testing'
import { TASK_GONE_AFTER_CLEANUP } from '../src/oversee.js'
import { scene } from './scene.js'
import { taskBody, wrapped } from './support.js'

const permanent = { headers: { 'x-attempts': 1, 'x-permanent': 1 } }

/** As `scene`, with a CRITs in which one analysis has been started. */
async function critsScene(t: TestContext) {
  const base = await scene(t)
  const crits = await startCrits()
  t.after(() => crits.close())
  const sample = crits.addSample({ bytes: Buffer.from('sample') })
  const analysis = crits.startAnalysis({ objectId: sample.id })
  const body = (critsUrl: string) => taskBody(analysis.id, critsUrl, sample.id, crits.users[0]?.keys[0])
  const settled = () => waitFor(async () => (await base.broker.depth(base.failed)) === 0, { describe: 'no messages' })
  return { ...base, crits, analysis, body, settled }
}

test('a dumped analysis is ended as error in CRITs, with the reason and the dump in its log', async t => {
  const { broker, failed, work, start, dumped, crits, analysis, body } = await critsScene(t)
  await start()
  await broker.publish(failed, wrapped(work, body(crits.url)), permanent)
  await waitFor(() => analysis.status === 'error', { describe: 'the end of the analysis' })
  const [name] = await dumped(1)
  assert.deepEqual(
    analysis.log.map(({ level, message }) => [level, message]),
    [['error', `Given up (no retry can succeed); the overseer keeps the message as ${name}. check_results: no answer`]],
  )
  assert.deepEqual(crits.violations, [])
})

test('a message without crits_url is reported to the CritsURL of the configuration', async t => {
  const { broker, failed, work, start, crits, analysis, body } = await critsScene(t)
  await start({ CritsURL: `${crits.url}/`, AllowedCritsURLs: ['http://elsewhere.invalid'] })
  await broker.publish(failed, wrapped(work, body('')), permanent)
  await waitFor(() => analysis.status === 'error', { describe: 'the end of the analysis' })
})

test('a CRITs that is not allowed gets no request, and the dump counts', async t => {
  const { broker, failed, work, start, dumped, crits, body, settled } = await critsScene(t)
  const overseer = await start({ AllowedCritsURLs: ['http://elsewhere.invalid'] })
  await broker.publish(failed, wrapped(work, body(crits.url)), permanent)
  await dumped(1)
  await overseer.waitForLog(/^CRITs could not be told/)
  await settled()
  assert.deepEqual(crits.journal, [])
})

test('an analysis whose task was cleaned up after the work is told, not ended', async t => {
  const { broker, failed, work, start, crits, analysis, body } = await critsScene(t)
  const overseer = await start()
  await broker.publish(failed, wrapped(work, body(crits.url), { desc: TASK_GONE_AFTER_CLEANUP }), permanent)
  await waitFor(() => analysis.log.length === 1, { describe: 'the log line' })
  assert.equal((await overseer.stop()).code, 0)
  assert.equal(crits.journal.length, 1)
  assert.equal(analysis.status, 'started')
})

test('a message that comes twice is one dump, and its analysis one error', async t => {
  const { broker, failed, work, start, dumped, crits, analysis, body, settled } = await critsScene(t)
  const overseer = await start()
  for (let i = 0; i < 2; i += 1) await broker.publish(failed, wrapped(work, body(crits.url)), permanent)
  await settled()
  await waitFor(() => analysis.status === 'error', { describe: 'the end of the analysis' })
  await dumped(1)
  assert.equal((await overseer.stop()).code, 0)
})

test('what a killed overseer was telling CRITs is told by the next one', async t => {
  const { broker, failed, work, dumpDir, start, dumped, crits, analysis, body, settled } = await critsScene(t)
  crits.faults.next({ kind: 'hang' })
  const killed = await start()
  await broker.publish(failed, wrapped(work, body(crits.url)), permanent)
  await waitFor(() => crits.journal.length === 1, { describe: 'the first report to CRITs' })
  await settled()
  const before = await dumped(1)
  await killed.kill()
  const claim = (await readdir(dumpDir)).find(file => file.startsWith('.claim-')) ?? assert.fail('no claim')
  await rename(join(dumpDir, claim), join(dumpDir, claim.replace(/\d+x/, `${Date.now() - 301_000}x`)))
  const overseer = await start()
  await waitFor(() => analysis.status === 'error', { describe: 'the end of the analysis' })
  assert.equal((await overseer.stop()).code, 0)
  assert.deepEqual(
    (await readdir(dumpDir)).filter(name => name !== '.journal'),
    before,
  )
})

test('while CRITs is away dumps are made and acked, and a burst of them ends every analysis as error', async t => {
  const { broker, failed, work, start, dumped, crits, settled } = await critsScene(t)
  const sample = crits.addSample({ bytes: Buffer.from('another') })
  const analyses = Array.from({ length: 300 }, () => crits.startAnalysis({ objectId: sample.id }))
  await crits.down()
  const stopped = await start()
  const key = crits.users[0]?.keys[0]
  for (const { id } of analyses)
    await broker.publish(failed, wrapped(work, taskBody(id, crits.url, sample.id, key)), permanent)
  await dumped(analyses.length)
  await settled()
  assert.equal((await stopped.stop()).code, 0)
  await crits.up()
  await start()
  await waitFor(() => analyses.every(({ status }) => status === 'error'), { describe: 'all ends' })
  assert.deepEqual(new Set(analyses.map(({ log }) => log.length)), new Set([1]))
})
