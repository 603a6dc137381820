import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Watches } from '../src/nodes/watches.js'
import type { Submission } from '../src/store/model.js'

const NOW = 1_800_000_000_000

function submission(id: number): Submission {
  return {
    id,
    taskId: id,
    attempt: 1,
    nodeId: 1,
    nodeTaskId: id,
    state: 'accepted',
    custom: '',
    sha256: null,
    begunOn: 0,
  }
}

test('what a former process has seen to run still runs, until it is seen to wait or is gone', () => {
  const watches = new Watches(1000, { 1: NOW, 2: NOW + 1, 9: NOW })
  const all = [1, 2, 3].map(submission)
  for (const copy of all) watches.of(copy)
  assert.deepEqual(watches.runningSince, { 1: NOW, 2: NOW + 1 })
  watches.of(submission(2)).runningOn = undefined
  watches.of(submission(3)).runningOn = NOW + 2
  assert.deepEqual(watches.runningSince, { 1: NOW, 3: NOW + 2 })
  watches.keepOnly([submission(3)])
  assert.deepEqual(watches.runningSince, { 3: NOW + 2 })
})
