/** The machines of nodes: which are named to a node, and how they are kept up to date. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { fakeNode } from './contract-scene.js'
import { isEmptied, makeNode, makeScene } from './dispatch-scene.js'

const TAGGED = [
  { name: 'cuckoo1', platform: 'windows', tags: ['office'] },
  { name: 'cuckoo2', platform: 'windows', tags: ['office', 'xp'] },
  { name: 'cuckoo3', platform: 'linux', tags: ['office'] },
]

describe('a task with tags', () => {
  for (const version of ['1.2', '1.3'] as const) {
    test(`is sent to a Cuckoo ${version} with one fitting machine after the other, so that deleting it takes no other along`, async t => {
      const scene = await makeScene(t)
      const node = await makeNode(t, { version, machineTags: [['office'], ['office', 'xp'], []], machines: 3 })
      await scene.addNode('n1', node.url, TAGGED.slice(0, 2))
      const ids = await scene.addTasks(4, { tags: 'office', platform: 'windows' })
      scene.start()
      await scene.allReach(ids, 'finished')
      await isEmptied(node)
      assert.deepEqual(
        node.submissions.map(({ tags }) => tags),
        [[], [], [], []],
      )
      const machines = node.submissions.map(({ machine }) => machine)
      assert.equal(machines.filter(name => name === 'cuckoo1').length, 2, `${machines}`)
      assert.equal(machines.filter(name => name === 'cuckoo2').length, 2, `${machines}`)
    })
  }

  test('is sent to a Cuckoo 2.0 with its tags', async t => {
    const scene = await makeScene(t)
    const node = await makeNode(t, { version: '2.0', machineTags: [['office']] })
    await scene.addNode('n1', node.url, TAGGED.slice(0, 1))
    const id = await scene.addTask('MZ', { tags: 'office' })
    scene.start()
    await scene.reaches(id, 'finished')
    await isEmptied(node)
    assert.deepEqual([node.submissions[0]?.tags, node.submissions[0]?.machine || null], [['office'], null])
  })

  test('that a Cuckoo 1.2 has with its tags is never deleted there', async t => {
    const scene = await makeScene(t)
    const node = await fakeNode(t)
    node.newStatus = 'reported'
    node.tags = ['office']
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    scene.start()
    await scene.reaches(id, 'finished')
    await waitFor(async () => (await scene.store.dispatch.submissionsOf(id)).length === 0, { describe: 'the end' })
    assert.equal(node.tasks.size, 1)
    assert(!node.paths().some(path => path.includes('/tasks/delete/')))
  })
})

test('machines that a node gets later are found, so that what waits for them goes there', async t => {
  const scene = await makeScene(t, { Interval: 0.05 })
  const node = await fakeNode(t)
  node.machines = [{ name: 'cuckoo1', platform: 'windows', tags: [] }]
  await scene.addNode('n1', node.url)
  scene.start()
  const id = await scene.addTask('MZ', { tags: 'office' })
  const { requirement } = await scene.reaches(id, 'pending')
  const reason = async () => (await scene.store.tasks.waitReason(requirement)) ?? ''
  await waitFor(async () => /tags office; machines are read now and then/.test(await reason()), {
    describe: 'the reason',
  })
  node.machines = TAGGED
  await scene.reaches(id, 'processing')
  assert.deepEqual((await scene.store.nodes.get('n1'))?.machines, TAGGED)
  // A list that fails leaves what is known.
  node.answers.set('/machines/list', [500, '<html>'])
  const asked = () => node.paths().filter(path => path === 'GET /machines/list').length
  const before = asked()
  await waitFor(() => asked() > before, { describe: 'the next reading' })
  const { machines, state } = (await scene.store.nodes.get('n1')) ?? {}
  assert.deepEqual([machines, state], [TAGGED, 'up'])
})

test('a node that is seen later to be this very cluster gets nothing', async t => {
  const scene = await makeScene(t)
  const node = await fakeNode(t)
  await scene.addNode('n1', node.url)
  node.instance = scene.store.id
  const id = await scene.addTask('MZ')
  scene.start()
  await waitFor(async () => (await scene.store.nodes.get('n1'))?.lastError === 'it is this cluster itself', {
    describe: 'the error',
  })
  await scene.reaches(id, 'pending')
  assert(!node.paths().some(path => path.startsWith('POST')))
})

test('a task that a node refuses goes to another one next', async t => {
  const scene = await makeScene(t, { Interval: 0.05, MaxRequeues: 1 })
  const [first, second] = [await makeNode(t), await fakeNode(t)]
  first.faults.next({
    kind: 'status',
    status: 400,
    times: Number.POSITIVE_INFINITY,
    match: { path: '/tasks/create/file' },
  })
  await scene.addNode('first', first.url)
  // Without the refusal nobody would go there.
  second.tasks.set(99, { status: 'running', custom: 'stranger', sample: null, errors: [] })
  second.newStatus = 'reported'
  await scene.addNode('second', second.url)
  scene.start()
  await waitFor(async () => (await scene.store.nodes.get('second'))?.counters?.running === 1, {
    describe: 'its status',
  })
  const id = await scene.addTask('MZ')
  const { nodeName, requeues } = await scene.reaches(id, 'finished')
  assert.deepEqual([nodeName, requeues], ['second', 1])
})
