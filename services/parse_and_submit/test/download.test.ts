// Downloads that fail while Cuckoo answers otherwise, and outages that only look like that.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldLimitReached, type ServiceError, writeTrail } from '@cuckoo-distributed/core'
import { waitFor } from '@cuckoo-distributed/testing'
import { submitterScene } from './submitter.js'

const REPORT = /^\/tasks\/report\/\d+$/
const ARCHIVE = /\/dropped$/
const VIEW = /^\/tasks\/view\/\d+$/
const forever = new AbortController().signal

for (const [what, path] of Object.entries({ 'a report': REPORT, 'an archive': ARCHIVE, 'a view of the task': VIEW })) {
  test(`${what} that breaks off each time while Cuckoo answers is a failure in the end, over all rounds`, async t => {
    const { cuckoo, deliver } = await submitterScene(t)
    cuckoo.faults.next({ kind: 'refuse', match: { path }, times: Number.POSITIVE_INFINITY })
    const tries = () => cuckoo.journal.filter(entry => path.test(entry.path.replace(/[?].*/, ''))).length
    const held = new AbortController()
    const first = deliver({}, held.signal, () => {
      if (tries() === 3) held.abort(new HoldLimitReached())
    })
    await assert.rejects(first.outcome, HoldLimitReached)
    const second = deliver(writeTrail(first.trail), forever)
    await assert.rejects(second.outcome, (error: ServiceError) => {
      assert.equal(error.code, 'DOWNLOAD_BREAKS_OFF')
      return /10 downloads .* failed; the last one: GET .*tasks/.test(error.message)
    })
    assert.ok(tries() <= 11, `${tries()} tries`)
    assert.deepEqual(second.trail.since, {}, 'the next try counts from the beginning')
  })
}

test('an outage of any length counts as one download that broke off', async t => {
  const { cuckoo, crits, running, deliver } = await submitterScene(t)
  await cuckoo.down()
  let probes = 0
  const { outcome, trail } = deliver({}, forever, () => {
    probes += 1
  })
  await waitFor(() => probes > 20, { describe: 'more probes than downloads may break off' })
  assert.ok((trail.since.breaks ?? 0) <= 1)
  await cuckoo.up()
  assert.equal((await outcome).kind, 'done')
  assert.equal(crits.analyses.get(running.analysisId)?.status, 'completed')
})
