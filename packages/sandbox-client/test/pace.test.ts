import assert from 'node:assert/strict'
import test from 'node:test'
import { Pace } from '../src/pace.js'

/** Lets everything that is due happen, second by second. */
async function seconds(t: test.TestContext, count: number): Promise<void> {
  for (let n = 0; n < count * 10; n += 1) {
    t.mock.timers.tick(100)
    await new Promise(resolve => setImmediate(resolve))
  }
}

test('no more requests than allowed within any minute, at once if they may be', async t => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { signal } = new AbortController()
  const pace = new Pace(2)
  const taken: number[] = []
  for (let n = 0; n < 5; n += 1) pace.take(signal).then(() => taken.push(now))
  for (let second = 0; second < 130; second += 1) {
    await seconds(t, 0.1)
    now += 1000
    t.mock.timers.tick(1000)
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.equal(taken.length, 5)
  for (const [index, at] of taken.entries()) {
    assert.ok(taken.filter(other => other >= at && other < at + 60_000).length <= 2, `${index}: ${taken}`)
  }
})

test('whoever waits for a turn may leave', async () => {
  const pace = new Pace(0.01)
  const leaving = new AbortController()
  await pace.take(leaving.signal)
  const waiting = pace.take(leaving.signal)
  leaving.abort(new Error('enough'))
  await assert.rejects(waiting, { message: 'enough' })
})
