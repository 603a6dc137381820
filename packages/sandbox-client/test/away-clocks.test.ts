import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AwayClocks, awayMs, noteAway, noteReached, unreachedMs } from '../src/index.js'

test('a sandbox that is reached has not been away, and saying so changes nothing', () => {
  const clocks: AwayClocks = {}
  noteReached(clocks, 500)
  assert.deepEqual(clocks, {})
  assert.deepEqual([unreachedMs(clocks, 900), awayMs(clocks, 900)], [0, 0])
})

test('the first report of its absence counts', () => {
  const clocks: AwayClocks = {}
  noteAway(clocks, 100)
  noteAway(clocks, 300)
  assert.deepEqual([unreachedMs(clocks, 350), awayMs(clocks, 350)], [250, 250])
})

test('absences add up, each in one go', () => {
  const clocks: AwayClocks = {}
  noteAway(clocks, 100)
  noteReached(clocks, 300)
  assert.deepEqual(clocks, { awayMs: 200 })
  assert.deepEqual([unreachedMs(clocks, 400), awayMs(clocks, 400)], [0, 200])
  noteAway(clocks, 1000)
  assert.deepEqual([unreachedMs(clocks, 1050), awayMs(clocks, 1050)], [50, 250])
  noteReached(clocks, 1100)
  assert.deepEqual(clocks, { awayMs: 300 })
})

test('a clock that was set back takes nothing away', () => {
  const clocks: AwayClocks = { awayMs: 10, awaySince: 1000 }
  assert.deepEqual([unreachedMs(clocks, 900), awayMs(clocks, 900)], [0, 10])
  noteReached(clocks, 900)
  assert.deepEqual(clocks, { awayMs: 10 })
})
