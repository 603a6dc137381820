/** The status page, as it is sent; `page.integration.ts` looks at it with a browser. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serveScene } from './api-scene.js'
import { makeScene } from './dispatch-scene.js'
import { NO_OPTIONS } from './store-scene.js'

test('the page holds everything it needs, and makes markup of texts by lit-html only', async t => {
  const { app } = await serveScene(t, await makeScene(t))
  const { body, headers } = await app.inject('/')
  assert.match(String(headers['content-security-policy']), /require-trusted-types-for 'script'; trusted-types lit-html/)
  assert.match(body, /<title>Distributed Cuckoo<\/title>/)
  assert.doesNotMatch(body, /<(link|img|script src)|@import|url\(|https?:\/\/(?!www\.w3\.org)/)
})

test('the status tells how many tasks wait for what, and where nodes are', async t => {
  const scene = await makeScene(t)
  const { app } = await serveScene(t, scene)
  await scene.addNode('n1', 'http://127.0.0.1:1/')
  const [first = 0] = await scene.addTasks(3, { ...NO_OPTIONS, tags: 'nobody' })
  await scene.addTask('MZ', { tags: 'other' })
  const { requirement = '' } = (await scene.store.tasks.get(first)) ?? {}
  await scene.store.dispatch.setWaitReasons(new Map([[requirement, 'no machine has it']]), {
    after: '',
    upTo: undefined,
  })
  const status = (await app.inject('/status')).json()
  assert.deepEqual(status.waiting, [{ requirement: 'tags nobody', reason: 'no machine has it', tasks: 3 }])
  assert.equal(status.node_states.n1.url, 'http://127.0.0.1:1/')
})
