/** Lists that are longer than a page. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serveScene } from './api-scene.js'
import { makeScene } from './dispatch-scene.js'
import { NO_OPTIONS } from './store-scene.js'

/** Two pages and a part of one. */
const TASKS = 1100

test('a list of several pages is one document on each API, with each task once and in the order of its id', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  // What looks like the beginning of a task, in a text of a client.
  const named = { ...NO_OPTIONS, url: 'http://a/', filename: '{"task_id":7,{"id":7,' }
  const ids = await Promise.all(Array.from({ length: TASKS }, () => scene.store.tasks.create(named, 1)))
  const inOrder = ids.toSorted((a, b) => a - b)
  const keyed = /"(\d+)":\{"(?:task_)?id":(\d+),/g
  for (const path of ['/task', '/api/task']) {
    const text = await (await fetch(url + path)).text()
    const keys = [...text.matchAll(keyed)].map(([, key, id]) => [Number(key), Number(id)])
    const { tasks } = JSON.parse(text)
    assert.deepEqual(
      keys.map(([key]) => key),
      inOrder,
      path,
    )
    assert.deepEqual(Object.keys(tasks).map(Number), inOrder, path)
    assert.equal(tasks[7].filename, named.filename)
    if (path === '/task') assert(keys.every(([key, id]) => key === id))
  }
  const { tasks } = JSON.parse(await (await fetch(`${url}/tasks/list`)).text())
  assert.deepEqual(
    tasks.map((task: { id: number }) => task.id),
    inOrder,
  )
})
