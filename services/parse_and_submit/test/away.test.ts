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
    const { sample, messageTo, deliver, deliverUntilSettled } = await submitterScene(t)
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
    assert.equal((await deliverUntilSettled()).kind, 'done')
    await waitFor(() => givenUp >= 5, { describe: 'half the prefetch to be given up' })
    held.abort(new Error('held'))
    const kinds = (await outcomes).map(one => (one.status === 'fulfilled' ? one.value.kind : one.reason.message))
    assert.deepEqual([...new Set(kinds)].sort(), ['held', 'later'])
  })
}

test('messages of a Cuckoo that fails at every report are tried one by one, and most of them make room', async t => {
  const { sample, messageTo, deliver, deliverUntilSettled } = await submitterScene(t)
  const other = await startCuckoo({ analysisTime: 1 })
  t.after(() => other.close())
  await analyse(other, sample)
  other.faults.next({ kind: 'status', status: 500, times: Number.POSITIVE_INFINITY, match: { path: /report/ } })
  let givenUp = 0
  const untilFailed = async (plan: number): Promise<string> => {
    for (;;) {
      const { outcome } = deliver({ 'x-stored-bytes': plan }, forever, undefined, messageTo(other.url))
      const result = await outcome.catch((error: Error) => error)
      if (result instanceof Error) return result.name
      assert.equal(result.kind, 'later')
      givenUp += 1
    }
  }
  const reports = () => other.journal.filter(({ path }) => /report/.test(path)).length
  const begun = performance.now()
  const failed = Array.from({ length: 12 }, (_, i) => untilFailed(i + 1))
  await Promise.race(failed)
  assert.equal((await deliverUntilSettled()).kind, 'done')
  // Whatever time that has taken: one turn in 200 ms, beside those who were in hand when it began to fail.
  const turns = Math.ceil((performance.now() - begun) / 200)
  assert.ok(reports() <= 4 + turns, `${reports()} were tried in ${turns} turns`)
  assert.deepEqual([...new Set(await Promise.all(failed))], ['StatusError'])
  assert.ok(givenUp > 0)
  assert.equal(reports(), failed.length, 'each was tried once')
})

test('a Cuckoo whose reports all end too early holds its places, but no more than half the prefetch waits for one', async t => {
  const { cuckoo, cuckoos, sample, analysis, messageTo, deliver, deliverUntilSettled } = await submitterScene(t)
  const other = await startCuckoo({ analysisTime: 1 })
  t.after(() => other.close())
  await analyse(other, sample)
  other.faults.next({ kind: 'cutAnswer', afterBytes: 20, times: Number.POSITIVE_INFINITY, match: { path: /report/ } })
  const held = new AbortController()
  let inHand = 0
  let givenUp = 0
  const next = (plan: number) => {
    inHand += 1
    const { outcome } = deliver({ 'x-stored-bytes': plan }, held.signal, undefined, messageTo(other.url))
    const isOver = outcome.then(
      ({ kind }) => {
        assert.equal(kind, 'later')
        givenUp += 1
      },
      (error: Error) => assert.equal(error.message, 'held'),
    )
    void isOver.finally(() => {
      inHand -= 1
    })
    return isOver
  }
  const first = [next(1), next(2)]
  const { availability } = cuckoos.at(new URL(other.url))
  await waitFor(() => availability.isFailing, { describe: 'both to have failed again and again' })
  const more = Array.from({ length: 8 }, (_, i) => next(i + 3))
  const hadTheirTurn = () => analysis().log.filter(({ message }) => message.includes('reading its results')).length
  await waitFor(() => hadTheirTurn() >= 7, { describe: 'half the prefetch to have its turn' })
  more.push(next(11), next(12))
  await waitFor(() => givenUp >= 5, { describe: 'all others to make room' })
  assert.equal(inHand, 7, 'two with a place, and half the prefetch')
  assert.equal((await deliverUntilSettled()).kind, 'done')
  assert.ok(cuckoo.journal.some(({ path }) => /report/.test(path)))
  held.abort(new Error('held'))
  await Promise.all([...first, ...more])
})

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
