// How a process ends: what is in work may end within its time, and a moment more.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import type { Consumer } from '../src/broker/consumer.js'
import { drainInTime, untilAborted } from '../src/drain.js'
import { logOf } from './fake-broker.js'

function scene(t: TestContext) {
  const clock = fakeClock(t)
  const force = new AbortController()
  const { log, lines } = logOf()
  const drains: { end: () => void; fail: (error: Error) => void }[] = []
  const consumers = [2, 3].map(inWork => {
    const drain = () =>
      new Promise<void>((end, fail) => {
        drains.push({ end, fail })
      })
    return { inWork, drain } as unknown as Consumer
  })
  let outcome: boolean | Error | undefined
  const drained = drainInTime(consumers, force.signal, log).then(
    isDrained => {
      outcome = isDrained
    },
    (error: Error) => {
      outcome = error
    },
  )
  return { clock, force, lines, drains, drained, outcome: () => outcome }
}

test('a process is drained when each consumer is', async t => {
  const { clock, drains, drained, lines, outcome } = scene(t)
  drains[0]?.end()
  await clock.pass(100_000)
  assert.equal(outcome(), undefined, 'the drain time ends with `force` alone')
  drains[1]?.end()
  await drained
  assert.equal(outcome(), true)
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['stopped; every message was settled or returned'],
  )
})

test('five seconds after the drain time it is given up, and the messages in work are told', async t => {
  const { clock, force, drained, lines, outcome } = scene(t)
  force.abort()
  await clock.pass(4999)
  assert.equal(outcome(), undefined)
  await clock.pass(1)
  await drained
  assert.equal(outcome(), false)
  assert.deepEqual(
    lines.map(({ level, inWork, msg }) => [level, inWork, msg]),
    [[40, 5, 'stopped with messages in progress; the broker will redeliver them']],
  )
})

test('what ends within those seconds is drained, and no timer is left', async t => {
  const { clock, force, drains, drained, outcome } = scene(t)
  force.abort()
  await clock.pass(4000)
  for (const { end } of drains) end()
  await drained
  assert.equal(outcome(), true)
  await clock.pass(100_000)
  assert.equal(outcome(), true)
})

test('an error of a consumer is no end of the time', async t => {
  const { drains, drained, outcome } = scene(t)
  drains[0]?.fail(new Error('a bug'))
  await drained
  assert.deepEqual(outcome(), new Error('a bug'))
})

test('an abort that was before is not waited for', async () => {
  await untilAborted(AbortSignal.abort())
})
