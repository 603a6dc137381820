import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ListWindow, type TaskSummary } from '../src/index.js'

const HOUR = 3_600_000
const now = Date.now()

/** Cuckoo's own clock, in a zone that is `zoneHours` ahead. */
function cuckooTask(finished: number | undefined, zoneHours = 0): TaskSummary {
  const date = finished === undefined ? undefined : new Date(finished + zoneHours * HOUR)
  const completedOn = date?.toISOString().slice(0, 19).replace('T', ' ')
  return {
    id: 1,
    phase: 'reported',
    status: 'reported',
    custom: '',
    completedOn,
    md5: undefined,
    sha256: undefined,
    tags: [],
    errors: [],
  }
}

/** What a list from `start` shows of tasks that finished at these times. */
function list(start: number, finished: readonly number[], zoneHours: number): TaskSummary[] {
  return finished.filter(time => time > start).map(time => cuckooTask(time, zoneHours))
}

test('the first list begins an hour before the oldest watch', () => {
  assert.equal(new ListWindow().start(now - 5 * HOUR), now - 6 * HOUR)
})

for (const zone of [-11, 0, 5.75, 14]) {
  test(`later lists begin three hours before the newest analysis, whatever the zone (${zone} h)`, () => {
    const window = new ListWindow()
    const oldestWatch = now - 100 * HOUR
    const finished = Array.from({ length: 1000 }, (_, i) => now - (1000 - i) * 0.1 * HOUR)
    const newest = finished.at(-1) ?? 0
    for (let round = 0; round < 3; round += 1) {
      const start = window.start(oldestWatch)
      assert.ok(start <= newest - 3 * HOUR, 'not later than three hours before the newest')
      window.answered(start, list(start, finished, zone))
    }
    const start = window.start(oldestWatch)
    assert.ok(newest - start < 4 * HOUR, `${(newest - start) / HOUR} h`)
  })
}

test('an empty list changes nothing', () => {
  const window = new ListWindow()
  const start = window.start(now)
  window.answered(start, [])
  assert.equal(window.start(now), start)
})

test('a date in the future does not move the start beyond three hours ago', () => {
  const window = new ListWindow()
  window.answered(now - 3 * HOUR, [cuckooTask(now - 2 * HOUR), cuckooTask(now + 1000 * HOUR)])
  assert.ok(window.start(now - 100 * HOUR) <= Date.now() - 3 * HOUR)
})

test('a task that finished long before its watch makes the next list begin before it, once', () => {
  const window = new ListWindow()
  const old = now - 50 * HOUR
  const zone = 9
  const start = window.start(now)
  window.answered(start, list(start, [now - 0.5 * HOUR], zone))
  window.missed(cuckooTask(old, zone))
  const wide = window.start(now)
  assert.ok(wide < old)
  assert.ok(wide > old - 3 * HOUR)
  window.answered(wide, list(wide, [old, now - 0.5 * HOUR], zone))
  assert.equal(window.start(now), now - HOUR)
})

test('a task that was reported just after a list does not move the start', () => {
  const window = new ListWindow()
  const start = window.start(now)
  window.answered(start, list(start, [now - 0.5 * HOUR], 3))
  window.missed(cuckooTask(now, 3))
  assert.equal(window.start(now), start)
})

test('while lists are empty each task that a view finds makes them reach further back', () => {
  const window = new ListWindow()
  const starts = Array.from({ length: 5 }, () => {
    const start = window.start(now)
    window.answered(start, [])
    window.missed(cuckooTask(now))
    return (now - start) / HOUR
  })
  assert.deepEqual(starts, [1, 4, 16, 64, 256])
  assert.equal(window.isBlind, true)
  window.answered(now, [cuckooTask(now)])
  assert.equal(window.isBlind, false)
})

test('a task without a date says nothing about lists', () => {
  const window = new ListWindow()
  for (let i = 0; i < 10; i += 1) window.missed(cuckooTask(undefined))
  assert.equal(window.isBlind, false)
  assert.equal(window.start(now), now - HOUR)
})

test('tasks that views find before there was any list count as well', () => {
  const window = new ListWindow()
  for (let misses = 0; misses < 5; misses += 1) {
    assert.equal(window.isBlind, false)
    window.missed(cuckooTask(now - HOUR))
  }
  assert.equal(window.isBlind, true)
})
