/** What operators ask of the server. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { curl, member, refused } from './curl.js'
import { makeNode, makeScene, sceneAtWork } from './dispatch-scene.js'
import { NO_OPTIONS } from './store-scene.js'

const SOON = { describe: () => 'what is asked for to be shown' }

describe('a task', () => {
  test('that is pinned goes to that node only, and says why it waits while that is disabled', async t => {
    const scene = await makeScene(t)
    const [idle, pinned] = [await makeNode(t), await makeNode(t)]
    await scene.addNode('idle', idle.url)
    await scene.addNode('pinned', pinned.url)
    const { url } = await serveScene(t, scene)
    refused(await curl(`${url}/task`, '-F', 'file=@/etc/hostname', '-F', 'node=nobody'), 404, /node/i)
    for (let i = 0; i < 3; i += 1) await curl(`${url}/task`, '-F', 'file=@/etc/hostname', '-F', 'node=pinned')
    await scene.store.nodes.update('pinned', { enabled: false })
    scene.start()
    await waitFor(async () => {
      const shown = await curl(`${url}/task/1`)
      return member(shown.json, 'tasks', '1', 'waiting') === 'node pinned, which it is pinned to, is disabled'
    }, SOON)
    const { json } = await curl(`${url}/status`)
    assert.equal(member(json, 'waiting', 0, 'requirement'), 'platform windows, node pinned')
    await scene.store.nodes.update('pinned', { enabled: true })
    await scene.allReach([1, 2, 3], 'finished')
    assert.deepEqual([idle.submissions.length, pinned.submissions.length], [0, 3])
  })

  test('that waits is changed, and no other', async t => {
    const { scene, id } = await sceneAtWork(t)
    const { url } = await serveScene(t, scene)
    await curl(`${url}/task`, '-F', 'file=@/etc/hostname', '-F', 'tags=nobody')
    const changed = await curl('-X', 'PUT', `${url}/task/2`, '-F', 'priority=9', '-F', 'tags=other')
    assert.deepEqual([changed.status, changed.json], [200, null])
    const task = member((await curl(`${url}/task/2`)).json, 'tasks', '2')
    assert.deepEqual([member(task, 'priority'), member(task, 'tags')], [9, 'other'])
    refused(await curl('-X', 'PUT', `${url}/task/2`, '-F', 'priority=x'), 400)
    refused(await curl('-X', 'PUT', `${url}/task/2`, '-F', 'node=nobody'), 404)
    refused(await curl('-X', 'PUT', `${url}/task/${id}`, '-F', 'priority=9'), 409, /not pending/)
    await curl('-X', 'PUT', `${url}/task/2`, '-F', 'tags=')
    await scene.reaches(2, 'processing')
  })

  test('shows how far its node is with it', async t => {
    const scene = await makeScene(t)
    const node = await makeNode(t, { machines: 1, analysisTime: Number.POSITIVE_INFINITY })
    await scene.addNode('n1', node.url)
    const [first = 0, id = 0] = await scene.addTasks(2)
    scene.start()
    await scene.allReach([first, id], 'processing')
    const { url, client } = await serveScene(t, scene)
    const state = async () => member((await curl(`${url}/task/${id}`)).json, 'tasks', String(id), 'node_state')
    const isShown = (word: string) => waitFor(async () => (await state()) === word, SOON)
    const signal = AbortSignal.timeout(20_000)
    await isShown('pending')
    assert.equal((await client.viewTask(id, signal))?.status, 'pending')
    node.move(1, 'failed_analysis')
    await isShown('running')
    assert.equal((await client.viewTask(id, signal))?.status, 'running')
  })

  test('that failed is tried again, alone or with all that fit, and shows why it had been', async t => {
    const scene = await makeScene(t, { KeepSamples: true })
    const node = await makeNode(t, { analysisTime: Number.POSITIVE_INFINITY })
    await scene.addNode('n1', node.url)
    const { url } = await serveScene(t, scene)
    const other = await scene.addTask('MZ', { owner: 'me' })
    scene.start()
    await scene.reaches(other, 'processing')
    refused(await curl('-X', 'POST', `${url}/task/${other}/reschedule`), 409, /not failed/)
    node.move(1, 'failed_analysis', 'it broke')
    await scene.reaches(other, 'failed')
    const again = await curl('-X', 'POST', `${url}/task/${other}/reschedule`)
    assert.deepEqual([again.status, again.json], [200, null])
    const task = await scene.reaches(other, 'processing')
    const retry = member((await curl(`${url}/task/${other}`)).json, 'tasks', String(other), 'retries')
    assert.match(String(member(retry, 0, 'reason')), /it broke/)
    assert.equal(member(retry, 0, 'attempt'), 1)
    assert(Math.abs(Number(member(retry, 0, 'at')) - Date.now() / 1000) < 60)
    node.move(task.nodeTaskId ?? 0, 'failed_analysis')
    await scene.reaches(other, 'failed')
    const gone = await scene.store.tasks.create({ ...NO_OPTIONS, owner: 'me' }, Date.now())
    await scene.store.dispatch.fail(gone, 'x', Date.now())
    const bulk = (query: string) => curl('-X', 'POST', `${url}/task/reschedule?${query}`)
    const dry = await bulk('owner=me&dry_run=1')
    assert.deepEqual(dry.json, {
      tasks: [other],
      refused: { [gone]: 'The sample of the task is gone: it is kept with KeepSamples only' },
      dry_run: true,
    })
    assert.equal((await scene.store.tasks.get(other))?.state, 'failed')
    assert.deepEqual(member((await bulk('owner=you')).json, 'tasks'), [])
    assert.deepEqual(member((await bulk('owner=me')).json, 'tasks'), [other])
    await scene.reaches(other, 'processing')
  })

  test('is submitted once more through Cuckoo’s API, while its sample is kept, with another priority', async t => {
    const scene = await makeScene(t, { KeepSamples: true })
    const { url } = await serveScene(t, scene)
    const id = await scene.addTask('MZ again', { package: 'exe' })
    const again = await curl(`${url}/tasks/reschedule/${id}/3`)
    assert.deepEqual([again.status, again.json], [200, { status: 'OK', task_id: id + 1 }])
    const [old, copy] = await scene.store.tasks.list({})
    assert.deepEqual([copy?.priority, copy?.package, copy?.sha256], [3, 'exe', old?.sha256])
    assert.notEqual(copy?.samplePath, old?.samplePath)
    await scene.store.tasks.remove(id)
    await curl('-X', 'DELETE', `${url}/task/${id}`)
    const node = await makeNode(t)
    await scene.addNode('n1', node.url)
    scene.start()
    await scene.reaches(id + 1, 'finished')
    refused(await curl(`${url}/v1/tasks/reschedule/${id}`), 404)
  })

  test('is deleted with all that fit, but for those that something may come of', async t => {
    const { scene, id } = await sceneAtWork(t)
    const { url } = await serveScene(t, scene)
    const failed: number[] = []
    for (const owner of ['me', 'me', 'you']) {
      const task = await scene.store.tasks.create({ ...NO_OPTIONS, tags: 'nobody', owner }, Date.now())
      await scene.store.dispatch.fail(task, 'x', Date.now())
      failed.push(task)
    }
    const bulk = async (query: string) => (await curl('-X', 'DELETE', `${url}/task?${query}`)).json
    refused(await curl('-X', 'DELETE', `${url}/task`), 400, /filter/)
    refused(await curl('-X', 'DELETE', `${url}/task?limit=3`), 400, /filter/)
    const mine = failed.slice(0, 2)
    assert.deepEqual(await bulk('owner=me&dry_run=1'), { tasks: mine, kept: [], dry_run: true })
    assert.deepEqual(await bulk('owner=me&limit=1'), { tasks: mine.slice(0, 1), kept: [], dry_run: false })
    assert.deepEqual(await bulk('status=processing'), { tasks: [], kept: [id], dry_run: false })
    assert.deepEqual(await bulk('finished=1'), { tasks: failed.slice(1), kept: [], dry_run: false })
    assert.deepEqual(
      (await scene.store.tasks.list({})).map(task => task.id),
      [id],
    )
  })
})
