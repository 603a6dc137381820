// Messages that are there twice, and those whose Cuckoo is not reached for ever.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPermanent, StopRequested, writeHeaders } from '@cuckoo-distributed/core'
import { runCritsService } from '@cuckoo-distributed/testing'
import { submitterScene } from './submitter.js'

test('a repeat of what was carried out is not worked on again, but cleans up as the first one would', async t => {
  const { cuckoo, analysis, deliver } = await submitterScene(t, { CuckooCleanup: true })
  const first = await deliver({}).outcome
  assert.ok(first.kind === 'done')
  first.carriedOut?.()
  const rows = analysis().results.length
  const asked = cuckoo.journal.length
  const repeat = await deliver({}).outcome
  assert.ok(repeat.kind === 'done')
  assert.equal(analysis().results.length, rows)
  assert.equal(cuckoo.journal.length, asked)
  await repeat.afterwards?.(new AbortController().signal)
  assert.equal(cuckoo.tasks.get(1), undefined)
})

test('a copy of what is in work waits for it, and is not worked on when that was carried out', async t => {
  const { analysis, deliver } = await submitterScene(t)
  const [first, second] = [deliver({}), deliver({})]
  const outcome = await first.outcome
  assert.ok(outcome.kind === 'done')
  outcome.carriedOut?.()
  assert.equal((await second.outcome).kind, 'done')
  assert.equal(analysis().results.filter(({ subtype }) => subtype === 'info').length, 1)
})

test('what failed is no repeat', async t => {
  const { cuckoo, analysis, deliver } = await submitterScene(t)
  cuckoo.faults.next({ kind: 'status', status: 400, match: { path: /report/ } })
  await assert.rejects(deliver({}).outcome, { code: 'HTTP_STATUS' })
  assert.equal((await deliver({}).outcome).kind, 'done')
  assert.equal(analysis().status, 'completed')
})

test('a message for another plan is no repeat', async t => {
  const { deliver, analysis } = await submitterScene(t)
  const first = await deliver({}).outcome
  assert.ok(first.kind === 'done')
  first.carriedOut?.()
  await deliver({ 'x-stored-bytes': 1000 }).outcome
  assert.equal(analysis().results.filter(({ subtype }) => subtype === 'info').length, 2)
})

test('the same task for another analysis, or in the queue of another instance, is no repeat', async t => {
  const { cuckoo, crits, sample, analysis, messageTo, deliver } = await submitterScene(t)
  const carryOut = async (message: Buffer, queue?: string) => {
    const outcome = await deliver({}, undefined, undefined, message, queue).outcome
    assert.ok(outcome.kind === 'done')
    outcome.carriedOut?.()
  }
  await carryOut(messageTo(cuckoo.url))
  const other = runCritsService(crits, sample)
  await carryOut(messageTo(cuckoo.url, other.critsData))
  assert.equal(crits.analyses.get(other.analysisId)?.status, 'completed')
  const rows = analysis().results.length
  await carryOut(messageTo(cuckoo.url), 'parse too')
  assert.ok(analysis().results.length > rows)
})

test('a stop before anything is stored gives the message back as it came', async t => {
  const { cuckoo, deliver } = await submitterScene(t)
  await cuckoo.down()
  const waiting = new AbortController()
  const { outcome } = deliver({}, waiting.signal, () => waiting.abort(new StopRequested()))
  await assert.rejects(outcome, StopRequested)
})

test('a message whose Cuckoo was away for CuckooAwayLimit has failed, over all rounds', async t => {
  const { cuckoo, deliver } = await submitterScene(t, { CuckooAwayLimit: 3600 })
  await cuckoo.down()
  const held = new AbortController()
  const first = deliver({}, held.signal, () => held.abort(new Error('held')))
  await assert.rejects(first.outcome, /held/)
  const second = deliver(writeHeaders(first.headers), AbortSignal.timeout(50))
  await assert.rejects(second.outcome)
  const clocks: Record<string, number> = JSON.parse(String(writeHeaders(second.headers)['x-since']))
  const old = { ...clocks, awaySince: (clocks.awaySince ?? Number.NaN) - 3_600_000 }
  const last = deliver({ 'x-since': JSON.stringify(old) })
  await assert.rejects(last.outcome, (error: Error & { code?: string }) => {
    return error.code === 'CUCKOO_NOT_REACHED' && isPermanent(error)
  })
  assert.equal(writeHeaders(last.headers)['x-since'], undefined, 'whoever resubmits it begins anew')
})

test('the time that Cuckoo was away is forgotten once it answers', async t => {
  const { cuckoo, deliver } = await submitterScene(t, { CuckooAwayLimit: 3600 })
  await cuckoo.down()
  const first = deliver({}, AbortSignal.timeout(100))
  await assert.rejects(first.outcome)
  await cuckoo.up()
  const second = deliver(writeHeaders(first.headers))
  assert.equal((await second.outcome).kind, 'done')
})

test('with CuckooCleanup a task that is gone was done before only where the message may be a repeat, redelivered or not', async t => {
  const { cuckoo, deliver } = await submitterScene(t, { CuckooCleanup: true })
  await fetch(`${cuckoo.url}/tasks/delete/1`)
  await assert.rejects(deliver({}).outcome, { code: 'TASK_GONE_AFTER_CLEANUP' })
  assert.equal((await deliver({ 'x-seen': 1 }).outcome).kind, 'done')
})
