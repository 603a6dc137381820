import assert from 'node:assert/strict'
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { spawnService } from '@cuckoo-distributed/testing'
import { scene } from './scene.js'
import { dumpNames, taskBody, wrapped } from './support.js'

/** As `scene`, with a way to run the command to its end. */
async function resubmitScene(t: TestContext) {
  const base = await scene(t)
  await mkdir(base.dumpDir, { mode: 0o700 })
  const resubmit = async (...args: string[]) => {
    const service = await spawnService(t, 'overseer', { config: base.config, args })
    const { code } = await service.exit
    return { code, summary: service.log.find(line => line.msg === 'resubmission has ended'), output: service.tail() }
  }
  return { ...base, resubmit }
}

test('dumps go back to work with a fresh count while the overseer runs', async t => {
  const { broker, failed, work, dumpDir, start, resubmit, dumped } = await resubmitScene(t)
  await start({ RetryDelays: [] })
  const failures = JSON.stringify([{ at: 'then', service: 'check_results', error: 'no answer' }])
  const headers = { 'x-attempts': 4, 'x-failures': failures, 'x-visited': '["a"]' }
  const bodies = ['1', '2', '3'].map(id => taskBody(id))
  for (const body of bodies) await broker.publish(failed, wrapped(work, body), { headers })
  await dumped(3)
  const { code, summary } = await resubmit('-resubmitDumped')
  assert.deepEqual([code, summary?.resubmitted, summary?.left], [0, 3, 0])
  const back = await broker.takeAll(work)
  assert.deepEqual(back.map(({ body }) => body.toString()).sort(), bodies)
  for (const { headers } of back) {
    const { 'x-resubmitted': note, ...others } = headers
    assert.equal(JSON.parse(String(note)).count, 1)
    assert.deepEqual(others, { 'x-failures': failures, 'x-visited': '["a"]' })
  }
  assert.deepEqual(await dumpNames(dumpDir), [])
  // The next failure is the first again, and with no delays it is dumped with that count.
  await broker.publish(failed, wrapped(work, taskBody('1')), { headers: { 'x-attempts': 1 } })
  await dumped(1)
})

test('dumps of the Go suite go back to work; its raw ones need a queue', async t => {
  const { broker, work, dumpDir, resubmit } = await resubmitScene(t)
  const go = { Service: 'check_results', Queue: work, Error: 'e', Desc: 'd', Msg: 'from Go' }
  await writeFile(join(dumpDir, '1437000000_0'), JSON.stringify(go))
  await writeFile(join(dumpDir, '1437000000_1'), Buffer.from([0xff, 0x00]))
  const first = await resubmit('--resubmitDumped')
  assert.deepEqual([first.code, first.summary?.resubmitted, first.summary?.left], [1, 1, 1])
  assert.match(first.output, /--queue NAME/)
  assert.equal((await broker.expectMessage(work)).body.toString(), 'from Go')
  assert.deepEqual(await dumpNames(dumpDir), ['1437000000_1'])
  const second = await resubmit('--resubmitDumped', '--queue', work)
  assert.deepEqual([second.code, second.summary?.resubmitted, second.summary?.left], [0, 1, 0])
  assert.deepEqual((await broker.expectMessage(work)).body, Buffer.from([0xff, 0x00]))
  assert.deepEqual(await dumpNames(dumpDir), [])
})

test('a dump whose queue does not exist stays, and no queue is made', async t => {
  const { broker, work, dumpDir, resubmit } = await resubmitScene(t)
  const missing = `${work}.missing`
  await writeFile(join(dumpDir, '1437000000_1'), wrapped(missing, 'm'))
  await writeFile(join(dumpDir, '1437000000_2'), wrapped(work, 'm'))
  const { code, summary, output } = await resubmit('--resubmitDumped')
  assert.deepEqual([code, summary?.resubmitted, summary?.left], [1, 1, 1])
  assert.match(output, /there is no such queue/)
  assert.deepEqual(await dumpNames(dumpDir), ['1437000000_1'])
  assert.equal(await broker.depth(missing), undefined)
})

test('what a killed resubmission had in hand is a dump again at the next one, once its claim has expired', async t => {
  const { broker, work, dumpDir, resubmit } = await resubmitScene(t)
  const dump = '1437000000_1'
  await writeFile(join(dumpDir, `.claim-${Date.now()}xabc-${dump}`), wrapped(work, 'm'))
  const early = await resubmit('--resubmitDumped')
  assert.deepEqual([early.code, early.summary?.resubmitted, early.summary?.left], [1, 0, 1])
  const [claim = ''] = await readdir(dumpDir)
  await rename(join(dumpDir, claim), join(dumpDir, `.claim-${Date.now() - 301_000}xabc-${dump}`))
  assert.equal((await resubmit('--resubmitDumped')).code, 0)
  assert.equal((await broker.expectMessage(work)).body.toString(), 'm')
})

test('--queue without --resubmitDumped is a wrong argument', async t => {
  const { resubmit } = await resubmitScene(t)
  assert.equal((await resubmit('--queue', 'q')).code, 2)
})
