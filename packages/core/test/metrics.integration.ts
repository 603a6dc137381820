import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { done, Intake } from '../src/index.js'
import { startHarness } from './harness.js'

test('a stage that wants no messages is as it should be, one that has lost its channel is not', async t => {
  const intake = new Intake()
  const { state, cut } = await startHarness(t, { intake, handle: async () => done() })
  assert.deepEqual([state().isConsuming, state().isAsWanted], [true, true])
  intake.close()
  await waitFor(() => !state().isConsuming, { describe: () => 'the consumer to be cancelled' })
  assert.equal(state().isAsWanted, true)
  intake.open()
  await waitFor(() => state().isConsuming, { describe: () => 'the queue to be consumed' })
  cut()
  assert.equal(state().isAsWanted, false)
  await waitFor(() => state().isAsWanted, { describe: () => 'another channel' })
})
