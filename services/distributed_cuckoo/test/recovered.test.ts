/** Nodes that go on with a task under another number: after a restart, or because somebody wanted so by CAPE's API. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CapeStandIn, type CuckooStandIn, startCape, startCuckoo, waitFor } from '@cuckoo-distributed/testing'
import { makeScene } from './dispatch-scene.js'

type Node = CuckooStandIn | CapeStandIn

const IDLE = { analysisTime: Number.POSITIVE_INFINITY }
const ON = ['cuckoostatus', 'taskdelete', 'machinelist'] as const
const cape = () => startCape({ ...IDLE, on: ON })
const restarted = (node: Node, id: number) => node.reschedule(id).id

const CASES: readonly (readonly [string, () => Promise<Node>, (node: Node, id: number) => number])[] = [
  ['a Cuckoo 1.2 that was restarted', () => startCuckoo(IDLE), restarted],
  ['a Cuckoo 2.0 that was restarted', () => startCuckoo({ ...IDLE, version: '2.0' }), restarted],
  ['a CAPE that was restarted', cape, restarted],
  [
    'a CAPE whose API was told so',
    cape,
    (node, id) => ('rescheduleByApi' in node ? node.rescheduleByApi(id).id : Number.NaN),
  ],
]

async function sceneWith(t: TestContext, start: () => Promise<Node>) {
  const node = await start()
  t.after(() => node.close())
  const scene = await makeScene(t)
  await scene.addNode('n1', node.url)
  scene.start()
  const id = await scene.addTask('MZ recovered')
  await scene.reaches(id, 'processing')
  await waitFor(() => node.tasks.get(1)?.status === 'running', { describe: 'the task to run' })
  return { scene, node, id }
}

function isEmptied({ tasks }: Node) {
  return waitFor(() => tasks.size === 0, { describe: 'the node to be empty' })
}

for (const [what, start, goesOn] of CASES) {
  test(`${what} goes on with a task, which is followed: analysed once more by nobody, and all of it deleted`, async t => {
    const { scene, node, id } = await sceneWith(t, start)
    const next = goesOn(node, 1)
    await waitFor(async () => (await scene.reaches(id, 'processing')).nodeTaskId === next, {
      describe: 'the new task to be its own',
    })
    node.move(next, 'reported')
    const task = await scene.reaches(id, 'finished')
    assert.deepEqual([task.nodeTaskId, task.error, task.requeues, task.attempt], [next, null, 0, 1])
    await isEmptied(node)
    assert.deepEqual([node.submissions.length, node.violations], [2, []])
  })

  test(`${what} goes on with a task that was deleted meanwhile: that is removed, too`, async t => {
    const { scene, node, id } = await sceneWith(t, start)
    await scene.stop()
    const next = goesOn(node, 1)
    await scene.store.tasks.remove(id)
    scene.start()
    await waitFor(() => node.tasks.get(1) === undefined, { describe: 'the old one to be removed' })
    node.move(next, 'reported')
    await isEmptied(node)
    const copies = async () => (await scene.store.dispatch.submissionsOf(id)).length
    await waitFor(async () => (await copies()) === 0, { describe: 'the copy to be forgotten' })
  })
}

test('a task that a node has recovered without going on with it goes elsewhere', async t => {
  const { scene, node, id } = await sceneWith(t, () => startCuckoo(IDLE))
  node.move(1, 'recovered')
  await waitFor(() => node.submissions.length === 2, { describe: 'the task to be sent again' })
  node.move(node.submissions[1]?.id ?? 0, 'reported')
  const task = await scene.reaches(id, 'finished')
  assert.deepEqual([task.requeues, task.attempt], [1, 2])
  await isEmptied(node)
})
