/** Uploads of which nobody knows at first what has become of them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'
import { type CuckooStandIn, waitFor } from '@cuckoo-distributed/testing'
import { isSettled, makeNode, makeScene } from './dispatch-scene.js'

describe('an upload without a clear answer', () => {
  const faults = [
    { name: '500', fault: { kind: 'status', status: 500 }, submissions: 1 },
    { name: 'a page', fault: { kind: 'html200' }, submissions: 1 },
    { name: 'an empty object', fault: { kind: 'status', status: 200, body: '{}' }, submissions: 1 },
    { name: 'task_id null', fault: { kind: 'nullTask' }, submissions: 1 },
    { name: 'a reset in the middle', fault: { kind: 'resetMidUpload', afterBytes: 10 }, submissions: 1 },
    { name: 'a lost answer', fault: { kind: 'lostAfterStore' }, submissions: 1 },
  ] as const
  for (const { name, fault, submissions } of faults) {
    test(`(${name}) makes one analysis in the end, whether the node had stored the task or not`, async t => {
      const scene = await makeScene(t)
      const node = await makeNode(t)
      await scene.addNode('n1', node.url)
      node.faults.next({ ...fault, match: { path: '/tasks/create/file' } })
      const id = await scene.addTask('MZ')
      scene.start()
      await scene.reaches(id, 'finished')
      await isSettled(scene, [node], { submissions })
    })
  }

  test('is matched by custom and sample, never by another client’s task that only looks alike', async t => {
    const scene = await makeScene(t)
    const node = await makeNode(t, { singleThreaded: false })
    await scene.addNode('n1', node.url)
    const others = await scene.addTasks(2, { custom: 'same' })
    scene.start()
    await scene.allReach(others, 'finished')
    node.faults.next({ kind: 'lostAfterStore', match: { path: '/tasks/create/file' } })
    const twins = [
      await scene.addTask('MZ twin', { custom: 'same' }),
      await scene.addTask('MZ twin', { custom: 'same' }),
    ]
    await scene.allReach(twins, 'finished')
    await isSettled(scene, [node], { submissions: 4 })
  })

  test('is never answered by the copy of another task with the same custom and sample', async t => {
    const scene = await makeScene(t)
    const node = await makeNode(t, { analysisTime: Number.POSITIVE_INFINITY })
    await scene.addNode('n1', node.url)
    scene.start()
    const first = await scene.addTask('MZ twin', { custom: 'same' })
    await scene.reaches(first, 'processing')
    node.faults.next({ kind: 'status', status: 500, match: { path: '/tasks/create/file' } })
    const second = await scene.addTask('MZ twin', { custom: 'same' })
    const { nodeTaskId } = await scene.reaches(second, 'processing')
    assert.equal(nodeTaskId, 2)
  })

  test('that turns up on the node later is removed there', async t => {
    const scene = await makeScene(t)
    // With several threads the lists are answered while the upload is still being stored.
    const node = await makeNode(t, { singleThreaded: false })
    await scene.addNode('n1', node.url)
    node.faults.next({ kind: 'hang', match: { path: '/tasks/create/file' } })
    const id = await scene.addTask('MZ')
    scene.start()
    await waitFor(() => node.journal.some(({ path }) => path === '/tasks/create/file'), { describe: 'the upload' })
    await scene.stop()
    scene.start()
    await scene.reaches(id, 'finished')
    await storeLate(node, 'MZ', `dist:${id}:1`)
    await isSettled(scene, [node], { submissions: 2 })
    assert.deepEqual(node.submissions.map(({ custom }) => custom).sort(), [`dist:${id}:1`, `dist:${id}:2`])
  })
})

/** What a node does that has received an upload and takes its time to store it. */
async function storeLate(node: CuckooStandIn, content: string, custom: string): Promise<void> {
  const form = new FormData()
  form.append('custom', custom)
  form.append('file', new Blob([content]), 'sample.exe')
  const { status } = await fetch(`${node.url}/tasks/create/file`, { method: 'POST', body: form })
  assert.equal(status, 200)
}

test('a task that a node refuses again and again fails with the reason', async t => {
  const scene = await makeScene(t, { Interval: 0.05, MaxRequeues: 1 })
  const node = await makeNode(t)
  await scene.addNode('n1', node.url)
  node.faults.next({ kind: 'status', status: 400, times: 2, match: { path: '/tasks/create/file' } })
  const id = await scene.addTask('MZ')
  scene.start()
  assert.match((await scene.reaches(id, 'failed')).error ?? '', /n1 refused the task/)
  assert.equal(node.faults.pending, 0)
})

test('a node that stops reading an upload is given up, and its task goes to another', async t => {
  const scene = await makeScene(t, { NodeTimeout: 1 })
  const stuck = createServer((request, response) => {
    if (request.method === 'POST') request.socket.pause()
    else response.end(JSON.stringify({ tasks: { total: 0, pending: 0, running: 0, completed: 0, reported: 0 } }))
  }).listen(0, '127.0.0.1')
  t.after(() => {
    stuck.close()
    stuck.closeAllConnections()
  })
  await once(stuck, 'listening')
  const address = stuck.address()
  assert(typeof address === 'object' && address !== null)
  await scene.addNode('stuck', `http://127.0.0.1:${address.port}`)
  const id = await scene.addTask('MZ'.padEnd(32 * 2 ** 20))
  scene.start({ uploadMs: 500 })
  await scene.reaches(id, 'submitting')
  await waitFor(async () => (await scene.store.nodes.get('stuck'))?.state === 'unreachable', {
    describe: 'the state',
  })
  const node = await makeNode(t)
  await scene.addNode('other', node.url)
  // The status of the stuck node cannot be believed, so that nobody can tell whether it has the task: only time settles that.
  assert.equal((await scene.reaches(id, 'finished')).nodeName, 'other')
})
