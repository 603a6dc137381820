/** Nodes are only where NodeNetworks lets them be. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { configProblems } from '../src/config.js'
import { ruleOf } from '../src/networks.js'
import { serveScene } from './api-scene.js'
import { curl, refused } from './curl.js'
import { configWith, makeNode, makeScene } from './dispatch-scene.js'

test('a network is one of either kind, an address is one of one, and an address may be written in the other kind', () => {
  const isAllowed = ruleOf(['10.1.0.0/16', '192.0.2.7', 'fd00::/8'])
  for (const address of ['10.1.255.1', '192.0.2.7', 'fd12::1', '::ffff:10.1.2.3']) assert(isAllowed?.(address), address)
  for (const address of ['10.2.0.1', '192.0.2.8', 'fe80::1', '::ffff:10.2.0.1', '::1', '127.0.0.1']) {
    assert.equal(isAllowed?.(address), false, address)
  }
  assert.equal(ruleOf([]), undefined)
})

test('what is no network is named', () => {
  const wrong = ['10.1.0.0/33', '10.1/16', 'fd00::/129', 'lab', '10.0.0.1/', '10.0.0.0/8/8', '/8']
  const found = configProblems(configWith('/tmp', { NodeNetworks: ['10.1.0.0/16', '::1', ...wrong] }))
  assert.deepEqual(
    found.map(problem => /^"NodeNetworks": (\S+) is no network/.exec(problem)?.[1]),
    wrong,
  )
})

test('a node elsewhere is refused, by address and by name, and nothing is asked of it', async t => {
  const scene = await makeScene(t, { NodeNetworks: ['10.0.0.0/8', '::1'] })
  const { url } = await serveScene(t, scene)
  const node = await makeNode(t)
  const { port } = new URL(node.url)
  for (const host of ['127.0.0.1', '2130706433', '[::ffff:127.0.0.1]']) {
    const answer = await curl(`${url}/node`, '-F', 'name=n1', '-F', `url=http://${host}:${port}/`)
    refused(answer, 400, /^Parameter url: its address is not in NodeNetworks$/)
  }
  const ip = await curl(`${url}/api/node`, '-F', 'name=n1', '-F', 'ip=127.0.0.1')
  assert.equal(ip.status, 400)
  // It may also have the address ::1, at which nothing listens.
  const named = await curl(`${url}/node`, '-F', 'name=n1', '-F', `url=http://localhost:${port}/`)
  refused(
    named,
    404,
    /^Invalid Cuckoo node \(n1\): (its address is not in NodeNetworks|connection (refused|failed))\. Tried /,
  )
  await scene.addNode('n1', 'http://10.0.0.1/')
  refused(await curl('-XPUT', `${url}/node/n1`, '-d', `url=${node.url}`), 400, /NodeNetworks/)
  assert.deepEqual(node.journal, [])
})

test('a node that is registered already is not asked any more, and says why', async t => {
  const scene = await makeScene(t, { NodeNetworks: ['10.0.0.0/8'] })
  const node = await makeNode(t)
  await scene.addNode('n1', node.url)
  scene.start()
  await waitFor(async () => (await scene.store.nodes.get('n1'))?.lastError === 'its address is not in NodeNetworks', {
    describe: 'the reason',
  })
  assert.deepEqual(node.journal, [])
})
