// Downloads that fail while Cuckoo answers otherwise, and outages that only look like that.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { submitterScene } from './submitter.js'

const REPORT = /^\/tasks\/report\/\d+$/
const ARCHIVE = /\/dropped$/
const VIEW = /^\/tasks\/view\/\d+$/
const forever = new AbortController().signal

for (const [what, path] of Object.entries({ 'a report': REPORT, 'an archive': ARCHIVE, 'a view of the task': VIEW })) {
  test(`${what} that breaks off while Cuckoo gives its status before and after is a failure of the message`, async t => {
    const { cuckoo, deliver } = await submitterScene(t, path === VIEW ? { EnabledParsers: ['dropped'] } : {})
    cuckoo.faults.next({ kind: 'refuse', match: { path }, times: Number.POSITIVE_INFINITY })
    const tries = () => cuckoo.journal.filter(entry => path.test(entry.path.replace(/[?].*/, ''))).length
    await assert.rejects(deliver({}).outcome, { code: 'HTTP_NETWORK', message: /GET .*tasks/ })
    assert.ok(tries() <= 2, `${tries()} tries`)
  })
}

test('an outage of any length is waited for', async t => {
  const { cuckoo, crits, running, deliver } = await submitterScene(t)
  await cuckoo.down()
  let probes = 0
  const { outcome } = deliver({}, forever, () => {
    probes += 1
  })
  await waitFor(() => probes > 20, { describe: 'many probes' })
  await cuckoo.up()
  assert.equal((await outcome).kind, 'done')
  assert.equal(crits.analyses.get(running.analysisId)?.status, 'completed')
})
