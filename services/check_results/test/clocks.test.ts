import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clear, isTroubled, lastSeen, untroubled, type WatchClocks, watchedMs } from '../src/clocks.js'

const MINUTE = 60_000

test('a task that is not shown counts after three views, and not before five minutes', t => {
  const cases = [
    [
      [0, 5 * MINUTE],
      [false, false],
    ],
    [
      [0, 5 * MINUTE, 0],
      [false, false, true],
    ],
    [
      [0, MINUTE, 4 * MINUTE - 1, 1],
      [false, false, false, true],
    ],
  ] as const
  for (const [pauses, expected] of cases) {
    t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
    const clocks: WatchClocks = {}
    const troubled = pauses.map(ms => {
      t.mock.timers.tick(ms)
      return isTroubled(clocks)
    })
    assert.deepEqual(troubled, [...expected])
    t.mock.timers.reset()
  }
})

test('a view that shows the task makes the count begin anew, and touches no other clock', () => {
  const clocks: WatchClocks = { watchedSince: 1, viewedAt: 2, awaySince: 3, awayMs: 4, taskId: 5 }
  const before = { ...clocks }
  isTroubled(clocks)
  assert.equal(clocks.troubles, 1)
  untroubled(clocks)
  assert.deepEqual(clocks, before)
  clear(clocks)
  assert.deepEqual(clocks, {})
})

test('the deadline counts from the first watch, without the times when Cuckoo was away', () => {
  const cases: readonly (readonly [WatchClocks, number])[] = [
    [{}, 0],
    [{ watchedSince: 400 }, 600],
    [{ watchedSince: 400, awayMs: 100 }, 500],
    [{ watchedSince: 400, awayMs: 100, awaySince: 800 }, 300],
  ]
  for (const [clocks, ms] of cases) assert.equal(watchedMs(clocks, 1000), ms)
})

test('a task was last seen when it was viewed, or else when its watch began', () => {
  const cases: readonly (readonly [WatchClocks, number])[] = [
    [{ viewedAt: 2, watchedSince: 1 }, 2],
    [{ watchedSince: 1 }, 1],
    [{}, 0],
  ]
  for (const [clocks, at] of cases) assert.equal(lastSeen(clocks), at)
})
