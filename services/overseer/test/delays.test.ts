import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextStep } from '../src/oversee.js'
import { leftMs } from '../src/release.js'

const options = { retryDelays: [1, 60, 10], sharedCauseLimit: 86_400 }

test('each failure has its delay, and the one after the last delay is given up', () => {
  const steps = [1, 2, 3, 4, 9].map(attempts => nextStep({ attempts, permanent: false }, options))
  assert.deepEqual(steps, [
    { delaySeconds: 1 },
    { delaySeconds: 60 },
    { delaySeconds: 10 },
    { giveUp: 'failed 4 times' },
    { giveUp: 'failed 9 times' },
  ])
})

test('without delays the first failure is given up', () => {
  assert.deepEqual(nextStep({ attempts: 1, permanent: false }, { ...options, retryDelays: [] }), {
    giveUp: 'failed once',
  })
})

test('a permanent failure is given up at once', () => {
  assert.deepEqual(nextStep({ attempts: 1, permanent: true }, options), { giveUp: 'no retry can succeed' })
})

const since = 1_700_000_000_000
const waiting = (tries: number) => ({ attempts: 4, permanent: false, cause: { code: 'CRITS_AUTH', since, tries } })

test('a shared cause goes up the ladder and stays on its last step, whatever was counted before', () => {
  const steps = [1, 2, 3, 4, 5, 6, 99].map(tries => nextStep(waiting(tries), options, since))
  assert.deepEqual(
    steps,
    [1, 10, 60, 300, 600, 600, 600].map(delaySeconds => ({ delaySeconds })),
  )
})

test('a shared cause is given up once it has lasted for SharedCauseLimit, and not before', () => {
  assert.deepEqual(nextStep(waiting(9), options, since + 86_399_999), { delaySeconds: 600 })
  const giveUp = 'CRITS_AUTH has lasted for SharedCauseLimit, 86400 s'
  assert.deepEqual(nextStep(waiting(9), options, since + 86_400_000), { giveUp })
})

test('a clock that was set back gives up no message', () => {
  assert.deepEqual(nextStep(waiting(1), options, since - 1e9), { delaySeconds: 1 })
})

test('a wait is what is left of the delay, and never longer whatever the clock says', () => {
  assert.equal(leftMs(70_000, 60_000, 30_000), 40_000)
  assert.equal(leftMs(70_000, 60_000, 80_000), 0)
  assert.equal(leftMs(70_000, 60_000, -3_600_000), 60_000)
  assert.equal(leftMs(undefined, 60_000, 30_000), 60_000)
})
