/** Numbers that a node gives again: on SQLite, that of the newest task once it was deleted. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CapeStandIn, type CuckooStandIn, startCape, waitFor } from '@cuckoo-distributed/testing'
import { makeNode, makeScene } from './dispatch-scene.js'

const NEVER = Number.POSITIVE_INFINITY

async function sceneWith(t: TestContext, kind: 'cuckoo' | 'cape', analysisTime: number) {
  const scene = await makeScene(t)
  const node =
    kind === 'cuckoo'
      ? await makeNode(t, { version: '2.0', analysisTime })
      : await startCape({ analysisTime, on: ['cuckoostatus', 'taskdelete'] })
  t.after(() => node.close())
  await scene.addNode('n1', node.url)
  scene.start()
  return { scene, node }
}

async function upload(node: CuckooStandIn | CapeStandIn, custom: string): Promise<void> {
  const form = new FormData()
  form.append('custom', custom)
  form.append('file', new Blob(['MZ of somebody else']), 'a.exe')
  const path = node.kind === 'cape' ? '/tasks/create/file/' : '/tasks/create/file'
  await fetch(`${node.url}${path}`, { method: 'POST', body: form })
}

for (const kind of ['cuckoo', 'cape'] as const) {
  test(`a ${kind}'s task of somebody else under the number of ours is not ours: we send it again, and that stays`, async t => {
    const { scene, node } = await sceneWith(t, kind, NEVER)
    const id = await scene.addTask('MZ of ours')
    await scene.reaches(id, 'processing')
    node.vanish(1)
    await upload(node, 'theirs')
    await waitFor(() => node.tasks.size === 2, { describe: 'our task to be sent again' })
    node.move(2, 'reported')
    const { nodeTaskId, requeues } = await scene.reaches(id, 'finished')
    assert.deepEqual([nodeTaskId, requeues], [2, 1])
    await waitFor(() => node.tasks.size === 1, { describe: 'our task to be deleted' })
    assert.equal(node.tasks.get(1)?.custom, 'theirs')
  })

  for (const contents of [
    ['MZ one', 'MZ two'],
    ['MZ same', 'MZ same'],
  ] as const) {
    const which = contents[0] === contents[1] ? 'the same sample' : 'another one'
    test(`a ${kind}'s task of ours under the number of one whose deletion had no answer is not deleted with it (${which})`, async t => {
      const { scene, node } = await sceneWith(t, kind, NEVER)
      // The client's own, which it gives to all.
      const custom = 'batch 7'
      const first = await scene.addTask(contents[0], { custom })
      await scene.reaches(first, 'processing')
      node.faults.next({ kind: 'lostAfterStore', match: { path: /\/tasks\/delete\// } })
      node.move(1, 'reported')
      await waitFor(() => node.tasks.size === 0, { everyMs: 1, describe: 'the deletion' })
      const second = await scene.addTask(contents[1], { custom })
      await scene.reaches(second, 'processing')
      assert.equal((await scene.store.tasks.get(second))?.nodeTaskId, 1)
      await waitFor(async () => (await scene.store.dispatch.submissionsOf(first)).length === 0, {
        describe: 'the first copy to be forgotten',
      })
      node.move(1, 'reported')
      assert.equal((await scene.reaches(second, 'finished')).requeues, 0)
      assert.equal((await scene.reaches(first, 'finished')).requeues, 0)
      assert.deepEqual([node.submissions.length, node.violations], [2, []])
    })
  }
}
