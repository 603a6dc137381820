/** Nodes with a limit of their own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { curl, member, refused } from './curl.js'
import { makeNode, makeScene } from './dispatch-scene.js'

test('a node has no more pending tasks than its own limit says, which is shown, changed and taken away', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const node = await makeNode(t, { machines: 1, analysisTime: Number.POSITIVE_INFINITY })
  await curl(`${url}/node`, '-F', 'name=n1', '-F', `url=${node.url}`, '-F', 'max_pending=1')
  const ids = await scene.addTasks(5)
  scene.start()
  const reason = async () => {
    const { json } = await curl(`${url}/task/${ids.at(-1)}`)
    return String(member(json, 'tasks', String(ids.at(-1)), 'waiting'))
  }
  const full = 'every node that could run it has as many pending tasks as it may have'
  await waitFor(async () => node.submissions.length === 2 && (await reason()) === full, { describe: 'the reason' })
  assert.equal(member((await curl(`${url}/node/n1`)).json, 'max_pending'), 1)
  assert.equal(member((await curl(`${url}/status`)).json, 'node_states', 'n1', 'max_pending'), 1)
  refused(await curl('-XPUT', `${url}/node/n1`, '-d', 'max_pending=x'), 400)
  refused(await curl('-XPUT', `${url}/node/n1`, '-d', 'max_pending=1000001'), 400, /^Parameter max_pending /)
  // Registered again it keeps what it had.
  await curl(`${url}/node`, '-F', 'name=n1', '-F', `url=${node.url}`)
  assert.equal(member((await curl(`${url}/node/n1`)).json, 'max_pending'), 1)
  await curl('-XPUT', `${url}/node/n1`, '-d', 'max_pending=2')
  await waitFor(() => node.submissions.length === 3, { describe: 'a third task' })
  await curl('-XPUT', `${url}/node/n1`, '-d', 'max_pending=')
  await waitFor(() => node.submissions.length === 5, { describe: 'all tasks' })
  assert.equal(member((await curl(`${url}/node/n1`)).json, 'max_pending'), null)
})
