/** What is asked of a node when it is registered, changed or refreshed. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { makeScene } from './dispatch-scene.js'
import { type FakeNode, startFakeNode } from './fake-node.js'

async function startNode(t: TestContext): Promise<FakeNode> {
  const node = await startFakeNode()
  t.after(() => node.close())
  return node
}

interface Answer {
  readonly status: number
  readonly json: { readonly message?: string; readonly machines?: readonly { readonly name: string }[] } | null
}

async function send(method: string, url: string, fields: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const response = await fetch(url, { method, body: new URLSearchParams(fields) })
  return { status: response.status, json: JSON.parse(await response.text()) }
}

const machines = (count: number, given: Readonly<Record<string, unknown>> = {}) => {
  return JSON.stringify({ machines: Array.from({ length: count }, (_, i) => ({ name: `m${i}`, ...given })) })
}

test('a node that is this very cluster is refused, by whatever name it is reached', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  for (const way of [url, `${url}/`, url.replace('127.0.0.1', 'localhost'), `${url}/v1`]) {
    const { status, json } = await send('POST', `${url}/node`, { name: 'self', url: way })
    assert.equal(status, 404, way)
    assert.match(
      String(json?.message),
      /^Invalid Cuckoo node \(self\): it is this cluster itself\. Tried .* Give the URL of the API of a Cuckoo or CAPE\.$/,
      way,
    )
  }
  assert.deepEqual(await scene.store.nodes.list(), [])
  // Another cluster may be a node.
  const other = await serveScene(t, await makeScene(t))
  assert.equal((await send('POST', `${url}/node`, { name: 'other', url: other.url })).status, 200)
})

test('both statuses tell which cluster it is', async t => {
  const scene = await makeScene(t)
  const { app, client } = await serveScene(t, scene)
  assert.equal((await app.inject('/status')).json().instance, scene.store.id)
  assert.equal((await client.status(new AbortController().signal)).instance, scene.store.id)
})

test('the machines of a node are read again when asked for, and kept when it is away', async t => {
  const node = await startNode(t)
  const scene = await makeScene(t)
  let woken = 0
  const wake = () => {
    woken += 1
  }
  const { url } = await serveScene(t, scene, { wake })
  const names = async () => (await scene.store.nodes.get('n1'))?.machines.map(({ name }) => name)
  await send('POST', `${url}/node`, { name: 'n1', url: node.url })
  assert.deepEqual(await names(), ['cuckoo1', 'cuckoo2'])
  node.answers.set('/machines/list', [200, machines(1)])
  const before = woken
  const { status, json } = await send('POST', `${url}/node/n1/refresh`)
  assert.deepEqual([status, json], [200, { name: 'n1', machines: [{ name: 'm0', platform: '', tags: [] }] }])
  assert.deepEqual(await names(), ['m0'])
  assert.equal(woken, before + 1)
  node.answers.set('/machines/list', [503, ''])
  const failed = await send('POST', `${url}/node/n1/refresh`)
  assert.equal(failed.status, 404)
  assert.match(String(failed.json?.message), /^Invalid Cuckoo node \(n1\): HTTP 503\. Tried .* can reach it\.$/)
  node.answers.set('/machines/list', [401, ''])
  const locked = await send('POST', `${url}/node/n1/refresh`)
  assert.match(String(locked.json?.message), /: unauthorized \(HTTP 401\)\. Tried .* Check its token in NodeTokens\.$/)
  assert.deepEqual(await names(), ['m0'])
  assert.equal((await send('POST', `${url}/node/zz/refresh`)).status, 404)
})

test('a changed url brings the machines with it, and a dead one does not fail the change', async t => {
  const node = await startNode(t)
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  await scene.addNode('n1', 'http://127.0.0.1:1/')
  assert.deepEqual(await send('PUT', `${url}/node/n1`, { url: node.url }), { status: 200, json: null })
  const machinesOf = async (name: string) => (await scene.store.nodes.get(name))?.machines.map(machine => machine.name)
  await waitFor(async () => (await machinesOf('n1'))?.join() === 'cuckoo1,cuckoo2', { describe: 'the machines' })
  const changes = { url: 'http://127.0.0.1:2/', name: 'n2', enabled: '0' }
  assert.deepEqual(await send('PUT', `${url}/node/n1`, changes), { status: 200, json: null })
  assert.deepEqual(await machinesOf('n2'), ['cuckoo1', 'cuckoo2'])
  const { url: now, enabled } = (await scene.store.nodes.get('n2')) ?? {}
  assert.deepEqual([now, enabled], ['http://127.0.0.1:2/', false])
})

test('more machines, tags and text than any Cuckoo has are refused', async t => {
  const node = await startNode(t)
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const tags = (count: number) => Array.from({ length: count }, (_, i) => `t${i}`)
  const answers: [answer: string, status: number][] = [
    [machines(1000), 200],
    [machines(1001), 404],
    [machines(1, { tags: tags(100) }), 200],
    [machines(1, { tags: tags(101) }), 404],
    [machines(1, { name: 'x'.repeat(255) }), 200],
    [machines(1, { name: 'x'.repeat(256) }), 404],
    [machines(1, { platform: 'x'.repeat(256) }), 404],
    [machines(1, { tags: ['x'.repeat(256)] }), 404],
    [machines(1, { label: 'x'.repeat(2 ** 20) }), 404],
  ]
  for (const [answer, status] of answers) {
    node.answers.set('/machines/list', [200, answer])
    const registered = await send('POST', `${url}/node`, { name: 'n1', url: node.url })
    assert.equal(registered.status, status, answer.slice(0, 100))
    if (status === 404)
      assert.match(String(registered.json?.message), /^Invalid Cuckoo node \(n1\): answer too large\. Tried /)
  }
})

test('names and urls are refused just above their length', async t => {
  const node = await startNode(t)
  const { url } = await serveScene(t, await makeScene(t))
  const register = async (name: string, length: number) => {
    const path = 'x'.repeat(Math.max(0, length - node.url.length))
    return (await send('POST', `${url}/node`, { name, url: `${node.url}${path}` })).status
  }
  assert.deepEqual([await register('x'.repeat(64), 0), await register('x'.repeat(65), 0)], [200, 400])
  // What is short enough is asked, and has no machines there.
  assert.deepEqual([await register('n1', 2048), await register('n1', 2049)], [404, 400])
})

test('the status shows no more than a hundred reasons, and how many there are', async t => {
  const scene = await makeScene(t)
  const { app } = await serveScene(t, scene)
  const reasons = (count: number) => {
    const entries = Array.from({ length: count }, (_, i) => {
      const requirement = JSON.stringify(['x'.repeat(1900), null, `tag${i}`])
      return [requirement, `no node has ${requirement}`] as const
    })
    return new Map(entries)
  }
  await scene.store.dispatch.setWaitReasons(reasons(100), { after: '', upTo: undefined })
  const { waiting: all, waiting_total: total } = (await app.inject('/status')).json()
  assert.deepEqual([all.length, total], [100, 100])
  await scene.store.dispatch.setWaitReasons(reasons(3000), { after: '', upTo: undefined })
  const answer = await app.inject('/status')
  const { waiting, waiting_total } = answer.json()
  assert.deepEqual([waiting.length, waiting_total], [100, 3000])
  assert(answer.body.length < 100_000, `${answer.body.length} bytes`)
})

test('names and urls that are none are refused before anybody is asked', async t => {
  const node = await startNode(t)
  const { url } = await serveScene(t, await makeScene(t))
  const register = async (name: string, at: string) => (await send('POST', `${url}/node`, { name, url: at })).status
  for (const name of ['', '.', '..', 'a/b', 'a b', 'ä']) assert.equal(await register(name, node.url), 400, name)
  const address = node.url.slice(7)
  for (const at of [
    '',
    'x',
    `ftp://${address}`,
    `http://u@${address}`,
    `http://u:p@${address}`,
    `http://:p@${address}`,
    `${node.url}?a=1`,
    `${node.url}#a`,
  ]) {
    assert.equal(await register('n1', at), 400, at)
  }
  assert.deepEqual(node.calls, [])
})

test('a disabled node drains as long as it has a task of ours, and is listed only when asked for', async t => {
  const scene = await makeScene(t)
  const { app } = await serveScene(t, scene)
  await scene.addNode('n1', 'http://127.0.0.1:1/')
  const shown = async (path: string) => {
    const nodes: Record<string, { status: string }> = (await app.inject(path)).json().nodes
    return Object.entries(nodes).map(([name, { status }]) => `${name} ${status}`)
  }
  assert.deepEqual([await shown('/node'), await shown('/node?all=1')], [['n1 new'], ['n1 new']])
  await app.inject({ method: 'DELETE', url: '/node/n1' })
  assert.deepEqual([await shown('/node'), await shown('/node?all=1')], [[], ['n1 disabled']])
  const { id = 0 } = (await scene.store.nodes.update('n1', { enabled: true })) ?? {}
  await scene.store.dispatch.begin(await scene.addTask('MZ'), id, Date.now())
  await app.inject({ method: 'DELETE', url: '/node/n1' })
  assert.deepEqual([await shown('/node?all=0'), await shown('/node?all=1')], [[], ['n1 draining']])
})
