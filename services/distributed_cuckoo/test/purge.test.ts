/** Taking from a node what it has. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { curl, refused } from './curl.js'
import { isEmptied, makeNode, sceneAtWork } from './dispatch-scene.js'

describe('a node that is purged', () => {
  test('gets no tasks any more; others have its own, and its copies are deleted there', async t => {
    const { scene, node, id } = await sceneAtWork(t)
    const { url } = await serveScene(t, scene)
    const other = await makeNode(t)
    await scene.addNode('n2', other.url)
    const purged = await curl('-X', 'POST', `${url}/node/n1/purge`)
    assert.deepEqual(purged.json, { tasks: [id], fail: false, forget: false })
    const task = await scene.reaches(id, 'finished')
    assert.deepEqual([task.nodeName, task.requeues, task.retries[0]?.reason], ['n2', 0, 'node n1 was purged'])
    node.move(1, 'reported')
    await isEmptied(node)
    assert.equal((await scene.store.nodes.get('n1'))?.enabled, false)
    await scene.addTasks(2)
    assert.equal(node.submissions.length, 1)
    refused(await curl('-X', 'POST', `${url}/node/nobody/purge`), 404)
  })

  test('has its tasks failed when that is asked for', async t => {
    const { scene, node, id } = await sceneAtWork(t)
    const { url } = await serveScene(t, scene)
    assert.equal((await curl('-X', 'POST', `${url}/node/n1/purge`, '-F', 'fail=1')).status, 200)
    assert.equal((await scene.store.tasks.get(id))?.state, 'failed')
    node.move(1, 'reported')
    await isEmptied(node)
  })

  test('and never comes back is not asked for anything any more', async t => {
    const { scene, node, id } = await sceneAtWork(t)
    const { url } = await serveScene(t, scene)
    await scene.addTask('MZ deleted').then(async deleted => {
      await scene.reaches(deleted, 'processing')
      await scene.store.tasks.remove(deleted)
    })
    await node.close()
    assert.equal((await curl('-X', 'POST', `${url}/node/n1/purge`, '-F', 'forget=1')).status, 200)
    const left = await scene.store.nodes.get('n1')
    assert.deepEqual([left?.enabled, left?.inFlight], [false, 0])
    assert.deepEqual((await scene.store.tasks.list({ states: ['deleted'] })).length, 0)
    await waitFor(async () => (await scene.store.tasks.get(id))?.state === 'pending', {
      describe: () => 'it to be pending',
    })
  })
})
