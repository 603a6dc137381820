import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CuckooStandIn, startCuckoo, waitFor } from '@cuckoo-distributed/testing'
import { fakeNode } from './contract-scene.js'
import { isEmptied, isSettled, makeNode, makeScene, sceneAtWork } from './dispatch-scene.js'

describe('a node that hangs', () => {
  test('delays no other node', async t => {
    const scene = await makeScene(t)
    const [hung, other] = [await makeNode(t), await makeNode(t)]
    hung.faults.next({ kind: 'hang', match: { path: '/tasks/create/file' } })
    await scene.addNode('hung', hung.url)
    await scene.addNode('other', other.url)
    const ids = await scene.addTasks(10)
    scene.start()
    await waitFor(async () => (await scene.store.tasks.counts()).finished >= 5, { describe: 'half of the tasks' })
    const created = hung.journal.filter(({ path }) => path === '/tasks/create/file')
    assert.equal(created.length, 1)
    await waitFor(async () => (await scene.store.tasks.counts()).finished === 9, {
      describe: 'all tasks but the one that hangs',
    })
    const counts = await scene.store.tasks.counts()
    assert.equal(counts.submitting, 1)
    assert.equal(ids.length, 10)
  })
})

describe('a node that goes away', () => {
  test('keeps its tasks when it comes back in time', async t => {
    const scene = await makeScene(t)
    const [lost, other] = [await makeNode(t, { analysisTime: 200 }), await makeNode(t)]
    await scene.addNode('lost', lost.url)
    await scene.addNode('other', other.url)
    const ids = await scene.addTasks(8)
    scene.start()
    await waitFor(() => lost.submissions.length >= 2, { describe: 'tasks on the node' })
    await lost.down()
    const later = await scene.addTasks(4)
    await scene.allReach(later, 'finished')
    const node = await scene.store.nodes.get('lost')
    assert.equal(node?.state, 'unreachable')
    assert.equal(node?.lastError, 'connection refused')
    assert.equal(node?.enabled, true)
    await lost.up()
    await scene.allReach(ids, 'finished')
    await isSettled(scene, [lost, other], { submissions: 12 })
  })

  test('for too long loses its tasks to others, and its copies when it is back', async t => {
    const scene = await makeScene(t, { NodeTimeout: 0.5 })
    const [lost, other] = [await makeNode(t, { analysisTime: Number.POSITIVE_INFINITY }), await makeNode(t)]
    await scene.addNode('lost', lost.url)
    const ids = await scene.addTasks(3)
    scene.start()
    await scene.allReach(ids, 'processing')
    await lost.down()
    await scene.addNode('other', other.url)
    const tasks = await scene.allReach(ids, 'finished')
    assert.deepEqual(
      tasks.map(({ requeues, attempt }) => ({ requeues, attempt })),
      ids.map(() => ({ requeues: 1, attempt: 2 })),
    )
    await lost.up()
    for (const id of [1, 2]) lost.move(id, 'reported')
    await waitFor(() => lost.tasks.get(3)?.status === 'running', { describe: 'the last one to run' })
    lost.move(3, 'reported')
    await isSettled(scene, [lost, other], { submissions: 6 })
  })

  test('for too long and then is first with its result has it taken', async t => {
    const scene = await makeScene(t, { NodeTimeout: 0.5 })
    const [lost, other] = [
      await makeNode(t, { analysisTime: Number.POSITIVE_INFINITY }),
      await makeNode(t, { analysisTime: Number.POSITIVE_INFINITY }),
    ]
    await scene.addNode('lost', lost.url)
    const id = await scene.addTask('MZ')
    scene.start()
    await scene.reaches(id, 'processing')
    await lost.down()
    await scene.addNode('other', other.url)
    await waitFor(() => other.tasks.get(1)?.status === 'running', { describe: 'the second copy' })
    lost.move(1, 'reported')
    await lost.up()
    assert.equal((await scene.reaches(id, 'finished')).nodeName, 'lost')
    other.move(1, 'reported')
    await isSettled(scene, [lost, other], { submissions: 2 })
  })

  test('and comes back empty gets its tasks again', async t => {
    const { scene, node, id } = await sceneAtWork(t)
    node.clean()
    await waitFor(() => node.submissions.length === 1, { describe: 'the task to be sent again' })
    await waitFor(() => node.tasks.get(1)?.status === 'running', { describe: 'the analysis' })
    node.move(1, 'reported')
    const { requeues } = await scene.reaches(id, 'finished')
    assert.equal(requeues, 1)
  })

  test('and has a stranger’s task under the same number leaves that alone', async t => {
    const { scene, node, id } = await sceneAtWork(t)
    await node.down()
    node.clean()
    await scene.stop()
    await node.up()
    await sendStranger(node)
    scene.start()
    await waitFor(() => node.tasks.size === 2, { describe: 'our task to be sent again' })
    await waitFor(() => node.tasks.get(2)?.status === 'running', { describe: 'our task to run' })
    node.move(2, 'reported')
    await scene.reaches(id, 'finished')
    await waitFor(() => node.tasks.size === 1, { describe: 'our copy to be removed' })
    assert.equal(node.tasks.get(1)?.custom, 'stranger')
  })
})

test('a task that a node does not find twice is not lost yet', async t => {
  const { scene, node, id } = await sceneAtWork(t)
  node.faults.next({ kind: 'status', status: 404, times: 2, match: { path: '/tasks/view/1' } })
  await waitFor(() => node.faults.pending === 0, { describe: 'both answers' })
  node.move(1, 'reported')
  assert.equal((await scene.reaches(id, 'finished')).attempt, 1)
})

test('a stranger’s task that has got the number of one that is to be deleted is left alone', async t => {
  const scene = await makeScene(t)
  const node = await fakeNode(t)
  node.newStatus = 'reported'
  node.answers.set('/tasks/delete/1', [500, '<html>'])
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  scene.start()
  await scene.reaches(id, 'finished')
  await waitFor(() => node.paths().includes('GET /tasks/delete/1'), { describe: 'the first try' })
  node.tasks.set(1, { status: 'reported', custom: 'stranger', sample: null, errors: [] })
  node.answers.clear()
  await waitFor(async () => (await scene.store.dispatch.submissionsOf(id)).length === 0, { describe: 'the end' })
  assert.equal(node.tasks.get(1)?.custom, 'stranger')
})

test('a result that a former leader stores in the meantime is kept', async t => {
  const scene = await makeScene(t)
  const node = await makeNode(t, { singleThreaded: false })
  await scene.addNode('n1', node.url)
  node.faults.next({ kind: 'slow', milliseconds: 3000, match: { path: '/tasks/report/1/dropped' } })
  const id = await scene.addTask('MZ')
  scene.start()
  await scene.reaches(id, 'processing')
  const [submission] = await scene.store.dispatch.submissionsOf(id)
  assert(submission)
  await waitFor(async () => (await scene.reportNames(id).catch(() => [''])).includes('report.json'), {
    describe: 'the first report',
  })
  assert(
    await scene.store.dispatch.finish(
      submission.id,
      [{ format: 'json', size: 1, reason: null, retry: false }],
      Date.now(),
    ),
  )
  await isEmptied(node)
  assert((await scene.reportNames(id)).includes('report.json'))
  assert.equal(node.submissions.length, 1)
})

test('a task about which its node only talks nonsense goes to another in the end', async t => {
  const scene = await makeScene(t, { NodeTimeout: 0.3 })
  const node = await makeNode(t)
  node.faults.next({ kind: 'html200', times: Number.POSITIVE_INFINITY, match: { path: '/tasks/view/1' } })
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  scene.start()
  const { requeues, attempt } = await scene.reaches(id, 'finished')
  assert.deepEqual({ requeues, attempt }, { requeues: 1, attempt: 2 })
  node.faults.clear()
  await isSettled(scene, [node], { submissions: 2 })
})

test('a disabled node gets no new tasks, and what it has is collected', async t => {
  const { scene, node, id: first } = await sceneAtWork(t)
  await scene.store.nodes.update('n1', { enabled: false })
  scene.scheduler.wake()
  const second = await scene.addTask('MZ 2')
  const { requirement } = await scene.reaches(second, 'pending')
  await waitFor(async () => (await scene.store.tasks.waitReason(requirement)) === 'no node is enabled', {
    describe: 'the reason',
  })
  await waitFor(() => node.tasks.get(1)?.status === 'running', { describe: 'the analysis' })
  node.move(1, 'reported')
  await scene.reaches(first, 'finished')
  await isEmptied(node)
  assert.equal(node.submissions.length, 1)
  await scene.store.nodes.update('n1', { enabled: true })
  scene.scheduler.wake()
  await scene.reaches(second, 'processing')
})

test('a task of a thousand strangers’ is found, and theirs stay', async t => {
  const scene = await makeScene(t)
  const node = await makeNode(t, {
    analysisTime: 0,
    machines: 1000,
    singleThreaded: false,
    report: () => '{}',
    dropped: () => [],
  })
  for (let i = 0; i < 20; i += 1) await Promise.all(Array.from({ length: 50 }, () => sendStranger(node)))
  await waitFor(() => [...node.tasks.values()].every(({ status }) => status === 'reported'), {
    describe: 'all reports',
  })
  await scene.addNode('n1', node.url)
  node.faults.next({ kind: 'lostAfterStore', match: { path: '/tasks/create/file' } })
  const id = await scene.addTask('MZ')
  scene.start()
  await scene.reaches(id, 'finished')
  await waitFor(() => node.tasks.size === 1000, { describe: 'only our task to be removed' })
  assert.equal(node.submissions.length, 1001)
})

test('a node that wants a token is unauthorized without it', async t => {
  const scene = await makeScene(t)
  const node = await startCuckoo({ version: '2.0', apiToken: 's3cret' })
  t.after(() => node.close())
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  scene.start()
  await waitFor(async () => (await scene.store.nodes.get('n1'))?.state === 'unauthorized', { describe: 'the state' })
  const { requirement } = await scene.reaches(id, 'pending')
  await waitFor(async () => (await scene.store.tasks.waitReason(requirement)) === 'no node that could run it answers', {
    describe: 'the reason',
  })
})

async function sendStranger(node: CuckooStandIn): Promise<void> {
  const form = new FormData()
  form.append('custom', 'stranger')
  form.append('file', new Blob(['MZ stranger']), 'stranger.exe')
  const answer = await fetch(`${node.url}/tasks/create/file`, { method: 'POST', body: form })
  await answer.arrayBuffer()
  assert.equal(answer.status, 200)
}
