// Servers that are away, or refuse everybody: nobody else waits for them, and nothing is downloaded in vain.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPermanent, isSharedCause, writeHeaders } from '@cuckoo-distributed/core'
import { startCuckoo, waitFor } from '@cuckoo-distributed/testing'
import { analyse, submitterScene } from './submitter.js'

const forever = new AbortController().signal

for (const [kind, fault] of [
  ['is down', undefined],
  ['accepts and never answers', { kind: 'hang' }],
] as const) {
  test(`analyses of a healthy Cuckoo complete while those of one that ${kind} wait`, async t => {
    const { sample, messageTo, deliver } = await submitterScene(t)
    const other = await startCuckoo({ analysisTime: 1 })
    t.after(() => other.close())
    await analyse(other, sample)
    if (fault) other.faults.next({ ...fault, times: Number.POSITIVE_INFINITY })
    else await other.down()
    const held = new AbortController()
    const stuck = Array.from({ length: 10 }, () => deliver({}, held.signal, undefined, messageTo(other.url)).outcome)
    let givenUp = 0
    for (const outcome of stuck) {
      outcome.then(
        () => {
          givenUp += 1
        },
        () => undefined, // the end of the test
      )
    }
    const outcomes = Promise.allSettled(stuck)
    assert.equal((await deliver({}).outcome).kind, 'done')
    await waitFor(() => givenUp >= 5, { describe: 'half the prefetch to be given up' })
    held.abort(new Error('held'))
    const kinds = (await outcomes).map(one => (one.status === 'fulfilled' ? one.value.kind : one.reason.message))
    assert.deepEqual([...new Set(kinds)].sort(), ['held', 'later'])
  })
}

test('no place is held while CRITs is away in the middle of the work', async t => {
  const { cuckoo, crits, analysis, deliver } = await submitterScene(t, { CuckooConcurrency: 1 })
  const results = { method: 'POST', path: '/api/v1/services/', nth: 3 }
  crits.faults.next({ kind: 'status', status: 503, times: 2, match: results })
  const first = deliver({})
  const second = deliver({ 'x-stored-bytes': 1 }) // another plan, so that it is no repeat
  assert.equal((await first.outcome).kind, 'done')
  assert.equal((await second.outcome).kind, 'done')
  assert.equal(analysis().status, 'completed')
  const reports = cuckoo.journal.filter(({ path }) => /report\/1$/.test(path)).length
  assert.equal(reports, 3, 'the one that was interrupted reads its report anew')
})

test('a key that CRITs refuses is found before a report is downloaded, and is a shared cause', async t => {
  const { cuckoo, crits, deliver } = await submitterScene(t)
  const before = cuckoo.journal.length
  crits.faults.next({ kind: 'status', status: 401, times: Number.POSITIVE_INFINITY, match: { method: 'POST' } })
  await assert.rejects(deliver({}).outcome, (error: Error & { code?: string }) => {
    return error.code === 'CRITS_AUTH' && isSharedCause(error)
  })
  const asked = cuckoo.journal.slice(before).filter(({ path }) => path !== '/cuckoo/status')
  assert.deepEqual(asked, [])
})

test('an analysis that was deleted in CRITs is found before a report is downloaded, and is final', async t => {
  const { cuckoo, crits, running, deliver } = await submitterScene(t)
  crits.deleteAnalysis(running.analysisId)
  await assert.rejects(deliver({}).outcome, (error: Error) => isPermanent(error))
  assert.ok(!cuckoo.journal.some(({ path }) => /report/.test(path)))
})

test('an outage in the middle costs no attempt, and no row twice', async t => {
  const { cuckoo, crits, running, analysis, deliver } = await submitterScene(t)
  cuckoo.faults.next({ kind: 'refuse', match: { path: /dropped$/ } })
  cuckoo.faults.next({ kind: 'refuse', match: { path: '/cuckoo/status', nth: 2 } })
  const { headers, outcome } = deliver({}, forever)
  assert.equal((await outcome).kind, 'done')
  assert.equal(headers.attempts, 0)
  await waitFor(() => analysis().status === 'completed', { describe: 'the end' })
  const doubled = crits.duplicateResults(running.analysisId).filter(({ subtype }) => subtype !== 'api_call')
  assert.deepEqual(doubled, [])
  assert.equal(writeHeaders(headers)['x-attempts'], undefined)
})
