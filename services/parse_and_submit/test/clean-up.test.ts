// Deleting the task at the end, from a Cuckoo that does not want to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { submitterScene } from './submitter.js'

const DELETE = /^\/tasks\/delete\//
const { signal } = new AbortController()

async function finished(scene: Awaited<ReturnType<typeof submitterScene>>, waiting = signal) {
  const outcome = await scene.deliver({}, waiting).outcome
  assert.ok(outcome.kind === 'done')
  return outcome.afterwards ?? assert.fail('nothing to do afterwards')
}

test('a deletion that fails and is refused is tried again until the task is gone', async t => {
  const scene = await submitterScene(t, { CuckooCleanup: true })
  const busy = '{"message": "The task is currently being processed, cannot delete"}'
  scene.cuckoo.faults.next({ kind: 'status', status: 500, match: { path: DELETE } })
  scene.cuckoo.faults.next({ kind: 'status', status: 500, body: busy, match: { path: DELETE } })
  const cleanUp = await finished(scene)
  await cleanUp(signal)
  assert.equal(scene.cuckoo.tasks.get(1), undefined)
  assert.equal(scene.cuckoo.faults.pending, 0)
  assert.deepEqual(scene.lines('warn'), [])
})

test('a task that cannot be deleted until the process stops is named in the log', async t => {
  const scene = await submitterScene(t, { CuckooCleanup: true })
  scene.cuckoo.faults.next({ kind: 'status', status: 500, times: Number.POSITIVE_INFINITY, match: { path: DELETE } })
  const stop = new AbortController()
  const cleanUp = await finished(scene, stop.signal)
  const ended = cleanUp(signal)
  stop.abort(new Error('stopping'))
  await ended
  assert.deepEqual(scene.lines('warn'), ['the task stays in Cuckoo: it could not be deleted'])
})

test('a task with tags stays in a Cuckoo that would delete others with it, which the log says once', async t => {
  const scene = await submitterScene(t, { CuckooCleanup: true }, { tags: 'x86' })
  const cleanUp = await finished(scene)
  await cleanUp(signal)
  assert.ok(scene.cuckoo.tasks.get(1))
  assert.ok(!scene.cuckoo.journal.some(({ path }) => DELETE.test(path)))
  assert.match(scene.lines('warn').join('\n'), /^the task stays in Cuckoo: it has tags/)
})
