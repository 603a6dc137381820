import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { Watchers } from '../src/watchers.js'

test('all messages of a Cuckoo share one watcher, whose watches are counted', async t => {
  const stop = new AbortController()
  const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
  log.level = 'silent'
  const watchers = new Watchers({ verifySsl: true, intervalMs: 1000, deadlineMs: 1000, log, stop: stop.signal })
  t.after(async () => {
    stop.abort()
    await watchers[Symbol.asyncDispose]()
  })
  const [one, other] = [new URL('http://127.0.0.1:1/'), new URL('http://127.0.0.1:2/')]
  const watcher = watchers.at(one)
  assert.equal(watchers.at(new URL(one)), watcher)
  assert.notEqual(watchers.at(other), watcher)
  const ending = new AbortController()
  const watched = watcher.watch(1, {}, ending.signal)
  const read = () => watchers.figures.map(figure => figure.read?.())
  assert.deepEqual(read(), [
    [
      ['http://127.0.0.1:1', 1],
      ['http://127.0.0.1:2', 0],
    ],
  ])
  ending.abort(new Error('enough'))
  await assert.rejects(watched, /enough/)
  assert.equal(watcher.watched, 0)
})
