import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFinal, phaseOf } from '../src/phase.js'

const words = {
  pending: ['pending'],
  running: ['running', 'distributed'],
  processing: ['completed'],
  reported: ['reported'],
  failed: ['failed_analysis', 'failed_processing', 'failed_reporting', 'failed_otherwise', 'banned'],
  replaced: ['recovered'],
  unknown: ['', 'something_new', 'Reported', 'constructor'],
} as const

for (const [phase, statuses] of Object.entries(words)) {
  test(`what is ${phase}`, () => {
    for (const status of statuses) assert.equal(phaseOf(status), phase, status)
  })
}

test('what never changes by itself', () => {
  const phases = ['pending', 'running', 'processing', 'reported', 'failed', 'replaced', 'unknown'] as const
  assert.deepEqual(phases.filter(isFinal), ['reported', 'failed', 'replaced'])
})
