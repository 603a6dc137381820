import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextStep } from '../src/oversee.js'
import { leftMs } from '../src/release.js'

test('each failure has its delay, and the one after the last delay is given up', () => {
  const steps = [1, 2, 3, 4, 9].map(attempts => nextStep({ attempts, permanent: false }, [1, 60, 10]))
  assert.deepEqual(steps, [
    { delaySeconds: 1 },
    { delaySeconds: 60 },
    { delaySeconds: 10 },
    { giveUp: 'failed 4 times' },
    { giveUp: 'failed 9 times' },
  ])
})

test('without delays the first failure is given up', () => {
  assert.deepEqual(nextStep({ attempts: 1, permanent: false }, []), { giveUp: 'failed once' })
})

test('a permanent failure is given up at once', () => {
  assert.deepEqual(nextStep({ attempts: 1, permanent: true }, [60]), { giveUp: 'no further try can help' })
})

test('a wait is what is left of the delay, and never longer whatever the clock says', () => {
  assert.equal(leftMs(70_000, 60_000, 30_000), 40_000)
  assert.equal(leftMs(70_000, 60_000, 80_000), 0)
  assert.equal(leftMs(70_000, 60_000, -3_600_000), 60_000)
  assert.equal(leftMs(undefined, 60_000, 30_000), 60_000)
})
