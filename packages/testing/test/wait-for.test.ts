import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaitError, waitFor } from '@cuckoo-distributed/testing'

test('the first value that is not undefined, null or false is returned', async () => {
  const values = [undefined, null, false, 0, 1]
  assert.equal(await waitFor(() => values.shift(), { everyMs: 1, describe: 'a value' }), 0)
})

test('a missed deadline names what was waited for and the last value', async () => {
  const waiting = waitFor(() => false, { deadlineMs: 5, everyMs: 1, describe: () => 'the queue to empty (3 left)' })
  await assert.rejects(waiting, (error: unknown) => {
    assert.ok(error instanceof WaitError)
    assert.equal(error.message, 'waited 5 ms for the queue to empty (3 left); the last value was false')
    return true
  })
})

test('a condition that never answers is given up at the deadline', async () => {
  await assert.rejects(
    waitFor(() => new Promise(() => {}), { deadlineMs: 5, describe: 'an answer' }),
    WaitError,
  )
})

test('a condition that throws ends the wait with its error', async () => {
  const broken = () => {
    throw new TypeError('broken')
  }
  await assert.rejects(waitFor(broken, { describe: 'nothing' }), new TypeError('broken'))
})

test('an abort ends the wait with the reason of the signal', async () => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const waiting = waitFor(() => undefined, { describe: 'nothing', signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(waiting, reason)
  await assert.rejects(
    waitFor(() => 1, { describe: 'nothing', signal: controller.signal }),
    reason,
  )
})
