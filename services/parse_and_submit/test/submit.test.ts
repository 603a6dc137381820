import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeHeaders } from '@cuckoo-distributed/core'
import { VISITED } from '../src/notes.js'
import { submitterScene } from './submitter.js'

test('a message that could not be relayed is relayed the next time, and no row is stored twice', async t => {
  const { crits, running, deliver } = await submitterScene(t, { ProducerQueue: 'next' })
  const rows = () => crits.analyses.get(running.analysisId)?.results.length
  const first = deliver({})
  const relayed = await first.outcome
  const stored = rows()
  assert.ok(stored)
  const second = deliver(writeHeaders(first.headers))
  assert.deepEqual(await second.outcome, relayed)
  assert.ok(relayed.kind === 'forward')
  assert.deepEqual(relayed.onward?.get(VISITED), ['parse'])
  assert.equal(rows(), stored)
})
