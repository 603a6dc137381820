import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backOff } from '../src/index.js'

test('waits double up to the maximum and start again after a reset', () => {
  const waits = backOff({ initialMs: 100, maxMs: 500, jitter: 0 })
  assert.deepEqual([waits.next(), waits.next(), waits.next(), waits.next(), waits.next()], [100, 200, 400, 500, 500])
  waits.reset()
  assert.equal(waits.next(), 100)
})

test('the factor decides how fast waits grow', () => {
  const waits = backOff({ initialMs: 1, maxMs: 1000, factor: 10, jitter: 0 })
  assert.deepEqual([waits.next(), waits.next(), waits.next()], [1, 10, 100])
})

test('no wait is above the maximum, the first included', () => {
  assert.equal(backOff({ initialMs: 900, maxMs: 500, jitter: 0 }).next(), 500)
})

test('jitter only shortens a wait, by at most its share', () => {
  const waits = backOff({ initialMs: 1000, maxMs: 1000, jitter: 0.5 })
  const drawn = Array.from({ length: 200 }, () => waits.next())
  assert.ok(drawn.every(ms => ms > 500 - 1e-9 && ms <= 1000))
  assert.ok(new Set(drawn).size > 1, 'waits differ from one another')
})
