import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { delay, timeLimit } from '../src/index.js'

const late = new Error('late')

test('the limit ends a wait with its own reason', async () => {
  const limit = timeLimit(new AbortController().signal, 5, late)
  await assert.rejects(delay(60_000, limit.signal), late)
  limit[Symbol.dispose]()
})

test('the signal ends it before, with its reason, even without a limit', async () => {
  const stop = new AbortController()
  const limit = timeLimit(stop.signal, Number.POSITIVE_INFINITY, late)
  const waiting = delay(60_000, limit.signal)
  stop.abort(new Error('stopping'))
  await assert.rejects(waiting, /stopping/)
  limit[Symbol.dispose]()
})

test('a limit of Infinity is no timer', () => {
  const before = process.getActiveResourcesInfo().length
  const limit = timeLimit(new AbortController().signal, Number.POSITIVE_INFINITY, late)
  assert.equal(process.getActiveResourcesInfo().length, before)
  limit[Symbol.dispose]()
})

test('what is disposed of leaves no listener and no timer', () => {
  const { signal } = new AbortController()
  const before = process.getActiveResourcesInfo().length
  timeLimit(signal, 60_000, late)[Symbol.dispose]()
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  assert.equal(process.getActiveResourcesInfo().length, before)
})
