/** What keeps the store from one step too many: each guard has a test that is red without it. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SqlDispatchStore } from '../src/store/dispatch-store.js'
import type { Report } from '../src/store/model.js'
import { openSqlite } from '../src/store/sqlite.js'
import type { DispatchStore } from '../src/store/store.js'
import { accepted, must, NOW, openerOf, REQUEUE, stateOf, TASK } from './store-scene.js'

const { withNodes } = openerOf(async () => 'sqlite://')
const KEPT: Report = { format: 'json', size: 3, reason: null, retry: false }
const MISSING: Report = { format: 'html', size: null, reason: 'HTTP 500', retry: true }

async function sent(t: TestContext, others: number[] = []) {
  const { store, first } = await withNodes(t)
  const { id, copy } = await accepted(store, first.id, others)
  const task = () => store.tasks.get(id)
  const copies = async () => (await store.dispatch.submissionsOf(id)).map(each => [each.nodeTaskId, each.state])
  return { store, node: first, id, copy, task, copies }
}

/** The task waits for the second copy; the first one is stale. */
async function sentAgain(t: TestContext) {
  const scene = await sent(t)
  const { store, node, id, copy } = scene
  await store.dispatch.abandoned(copy, REQUEUE)
  await store.dispatch.release(NOW)
  const again = must(await store.dispatch.begin(id, node.id, NOW + 1)).id
  await store.dispatch.accepted(again, 9, NOW + 1)
  return { ...scene, again }
}

test('while a report may come yet, the other copies stay; with the last one they go', async t => {
  const { store, copy, copies } = await sent(t, [8])
  assert(await store.dispatch.finish(copy, [KEPT, MISSING], NOW))
  assert.deepEqual(await copies(), [
    [7, 'accepted'],
    [8, 'accepted'],
  ])
  assert(await store.dispatch.amend(copy, [{ ...MISSING, size: 4, retry: false }], NOW))
  assert.deepEqual(await copies(), [
    [7, 'accepted'],
    [8, 'discarding'],
  ])
})

test('a task goes on with another copy of the same upload only, not with that of another one on the same node', async t => {
  const { store, again, task, copies } = await sentAgain(t)
  await store.dispatch.vanished(again, { ...REQUEUE, error: 'gone' })
  assert.deepEqual(stateOf(await task()), ['pending', null, null])
  assert.deepEqual(await copies(), [[7, 'accepted']])
})

test('a copy that has another number now tells nothing of a task that waits for another copy', async t => {
  const { store, copy, task, copies } = await sentAgain(t)
  await store.dispatch.followed(copy, 70)
  assert.deepEqual(stateOf(await task()), ['processing', 'n1', 9])
  assert.deepEqual(await copies(), [
    [70, 'accepted'],
    [9, 'accepted'],
  ])
})

test('a copy that is lost passes its task on to another one of the same upload, which is not tried anew', async t => {
  const { store, copy, task, copies } = await sent(t, [8])
  await store.dispatch.vanished(copy, REQUEUE)
  assert.deepEqual(stateOf(await task()), ['processing', 'n1', 8])
  assert.deepEqual(await copies(), [[8, 'accepted']])
})

test('a task fails once, and the copy that it waited for is late from then on', async t => {
  const { store, id, copy, task } = await sent(t)
  assert.deepEqual(await store.dispatch.beginFetch(copy), { late: false, settled: [] })
  assert.equal(await store.dispatch.fail(id, 'it broke', NOW), true)
  assert.equal(await store.dispatch.fail(id, 'again', NOW + 1), false)
  assert.equal((await task())?.error, 'it broke')
  assert.equal(await store.dispatch.finish(copy, [KEPT], NOW), false)
})

test('a fetch of a leader that is gone is begun anew by the next one', async t => {
  const { store, copy, task } = await sent(t)
  await store.dispatch.fetching(copy)
  assert.equal((await task())?.state, 'fetching')
  await store.dispatch.recover()
  assert.equal((await task())?.state, 'processing')
})

test('nothing is fetched of a copy that is to be removed', async t => {
  const { store, copy } = await sent(t)
  await store.dispatch.failedOnNode(copy, 'failed_analysis', NOW)
  assert.equal(await store.dispatch.isWanted(copy), false)
  assert.equal(await store.dispatch.beginFetch(copy), undefined)
})

/** Everything that a leader writes, for task 1, which is being sent as copy 1, and task 2, which is delayed. */
const WRITES: { readonly [name: string]: (store: DispatchStore) => Promise<unknown> } = {
  release: store => store.release(NOW + 10),
  setWaitReasons: store => store.setWaitReasons(new Map([['a', 'full']]), { after: '', upTo: undefined }),
  begin: store => store.begin(2, 1, NOW),
  accepted: store => store.accepted(1, 7, NOW),
  followed: store => store.followed(1, 70),
  vanished: store => store.vanished(1, REQUEUE),
  abandoned: store => store.abandoned(1, REQUEUE),
  beginFetch: store => store.beginFetch(1),
  fetching: store => store.fetching(1),
  fetchFailed: store => store.fetchFailed(1, 'x'),
  finish: store => store.finish(1, [KEPT], NOW),
  amend: store => store.amend(1, [KEPT], NOW),
  fail: store => store.fail(1, 'x', NOW),
  failedOnNode: store => store.failedOnNode(1, 'x', NOW),
  discarded: store => store.discarded([1]),
  foldCounts: store => store.foldCounts(),
  recount: store => store.recount(new AbortController().signal),
  recover: store => store.recover(),
}
const READS = ['pendingRequirements', 'nextPending', 'isWanted', 'submissions', 'submissionsOf', 'isClaimed']

test('who has lost the lease writes nothing at all', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'store-'))
  const url = join(folder, 'dist.db')
  const { open } = openerOf(async () => url)
  const before = await open(t)
  const { id: node } = await before.nodes.register('n', 'http://a/', [])
  const [sending, delayed] = [await before.tasks.create(TASK, NOW), await before.tasks.create(TASK, NOW)]
  const { id: copy } = must(await before.dispatch.begin(delayed, node, NOW))
  await before.dispatch.vanished(copy, { ...REQUEUE, notBefore: NOW + 10 })
  await before.dispatch.begin(sending, node, NOW)
  await before[Symbol.asyncDispose]()

  const db = await openSqlite(url)
  t.after(async () => {
    await db.destroy()
    await rm(folder, { recursive: true })
  })
  const lost = new Error('the lease is lost')
  const store = new SqlDispatchStore(db, false, () => Promise.reject(lost))
  for (const [name, write] of Object.entries(WRITES)) await assert.rejects(write(store), lost, name)
  await store.discarded([])
  const names = Object.getOwnPropertyNames(SqlDispatchStore.prototype).filter(name => name !== 'constructor')
  assert.deepEqual([...READS, ...Object.keys(WRITES)].sort(), names.sort(), 'each is written or read by name here')
})
