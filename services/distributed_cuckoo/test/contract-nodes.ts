/** What clients can do with nodes, and what becomes of wrong requests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { fakeNode, type Serve } from './contract-scene.js'
import { curl, member, refused } from './curl.js'

export function testNodes(serve: Serve): void {
  test('nodes are registered in every way that a form can be sent, once each', async t => {
    const node = await fakeNode(t)
    const { url: server } = await serve(t)
    const empty = await curl(`${server}/node`)
    assert.deepEqual([empty.status, empty.json], [200, { nodes: {} }])
    assert.match(empty.type, /^application\/json/)
    const first = await curl(`${server}/node`, '-F', 'name=n1', '-F', `url=${node.url}`)
    assert.deepEqual([first.status, member(first.json, 'name')], [200, 'n1'])
    assert.deepEqual(member(first.json, 'machines'), [
      { name: 'cuckoo1', platform: 'windows', tags: ['xp', 'office'] },
      { name: 'cuckoo2', platform: 'windows', tags: [] },
    ])
    assert.equal(node.paths().filter(path => path === 'GET /machines/list').length, 1)
    const ways = [
      ['-d', `name=n1&url=${node.url}`],
      ['-X', 'POST', '-G', '-d', `name=n1&url=${node.url}`],
      ['-H', 'Content-Type: application/json', '-d', JSON.stringify({ name: 'n1', url: node.url })],
      ['-d', `name=n1&url=${node.url.slice(0, -1)}`],
    ]
    for (const way of ways) assert.equal((await curl(`${server}/node`, ...way)).status, 200, way.join(' '))
    const prefixed = await curl(`${server}/node`, '-d', `name=n3&url=${node.url}prefix/`)
    assert.equal(prefixed.status, 200)
    assert(node.paths().includes('GET /prefix/machines/list'))
    const { json: listed } = await curl(`${server}/node`, '-H', 'Accept: application/xml')
    assert.deepEqual(Object.keys(Object(member(listed, 'nodes'))), ['n1', 'n3'])
    refused(
      await curl(`${server}/node`, '-d', `name=n1&url=${node.url.replace('127.0.0.1', 'localhost')}`),
      409,
      /already a node with this name/,
    )
  })

  test('what is no Cuckoo node is refused with the reason, and not kept', async t => {
    const node = await fakeNode(t)
    const { url: server } = await serve(t)
    const bad = (url: string) => curl(`${server}/node`, '-F', 'name=bad', '-F', `url=${url}`)
    refused(
      await bad('http://127.0.0.1:1/'),
      404,
      /^Invalid Cuckoo node \(bad\): connection refused\. Tried .* at http:\/\/127\.0\.0\.1:1\/\. Check .* can reach it\.$/,
    )
    for (const answer of [
      [200, '<html>'],
      [200, '{}'],
      [500, 'oops'],
    ] as const) {
      node.answers.set('/machines/list', answer)
      refused(await bad(node.url), 404, /^Invalid Cuckoo node \(bad\): /)
    }
    refused(await curl(`${server}/node`, '-d', `url=${node.url}`), 400, /name/)
    refused(await curl(`${server}/node`, '-d', 'name=x'), 400, /url/)
    for (const url of ['file:///etc/passwd', 'http://u:p@h/', 'x', 'http://h/?a=1']) refused(await bad(url), 400, /url/)
    for (const name of ['a/b', '..', 'a b', 'x'.repeat(65)]) {
      refused(
        await curl(`${server}/node`, '-d', 'url=http://127.0.0.1:1/', '--data-urlencode', `name=${name}`),
        400,
        /name/,
      )
    }
    assert.deepEqual((await curl(`${server}/node`)).json, { nodes: {} })
  })

  test('a node that hangs is refused in time and holds up nobody', async t => {
    const node = await fakeNode(t)
    node.answers.set('/machines/list', 'hang')
    const { url: server } = await serve(t)
    let answered = false
    const registering = curl(`${server}/node`, '-d', `name=slow&url=${node.url}`).finally(() => {
      answered = true
    })
    await waitFor(() => node.calls.length === 1, { describe: 'the node to be asked' })
    assert.equal((await curl(`${server}/task`)).status, 200)
    assert.equal(answered, false)
    refused(await registering, 404, /timed out/)
  })

  test('a node is shown, changed, renamed, disabled and taken back', async t => {
    const node = await fakeNode(t)
    const { url: server } = await serve(t)
    const put = (name: string, ...fields: string[]) => {
      return curl('-XPUT', `${server}/node/${name}`, ...fields.flatMap(field => ['-F', field]))
    }
    await curl(`${server}/node`, '-d', `name=n1&url=${node.url}`)
    await curl(`${server}/node`, '-d', `name=taken&url=${node.url}prefix`)
    const { json: shown } = await curl(`${server}/node/n1`)
    assert.deepEqual([member(shown, 'name'), member(shown, 'url')], ['n1', node.url])
    refused(await curl(`${server}/node/zz`), 404, /Node not found/)
    assert.deepEqual([(await put('n1', 'name=n2', `url=${node.url}`)).text], ['null'])
    assert.deepEqual([(await curl(`${server}/node/n1`)).status, (await curl(`${server}/node/n2`)).status], [404, 200])
    assert.equal((await put('n2', `url=${node.url.slice(0, -1)}`)).text, 'null')
    assert.equal(member((await curl(`${server}/node/n2`)).json, 'url'), node.url.slice(0, -1))
    refused(await put('zz', 'name=y'), 404)
    refused(await put('n2', 'name=taken'), 409)
    refused(await put('n2', 'enabled=perhaps'), 400)
    const disable = () => curl('-XDELETE', `${server}/node/n2`)
    assert.deepEqual([(await disable()).text, (await disable()).status], ['null', 200])
    refused(await curl('-XDELETE', `${server}/node/zz`), 404)
    assert.deepEqual(Object.keys(Object(member((await curl(`${server}/node`)).json, 'nodes'))), ['taken'])
    assert.equal(member((await curl(`${server}/node?all=1`)).json, 'nodes', 'n2', 'enabled'), false)
    assert.equal((await curl(`${server}/node`, '-d', `name=n2&url=${node.url}`)).status, 200)
    assert.equal(member((await curl(`${server}/node`)).json, 'nodes', 'n2', 'enabled'), true)
  })

  test('what does not exist is refused as JSON', async t => {
    const { url: server } = await serve(t)
    refused(await curl('-XPATCH', `${server}/node`), 405)
    refused(await curl('-XPATCH', `${server}/task`), 405)
    for (const path of ['/node/', '/nope', '/task/', '/task/99', '/task/abc', '/task/-1', '/report/7']) {
      refused(await curl(server + path), 404)
    }
    const options = await curl('-XOPTIONS', '-D', '-', '-o', '/dev/null', `${server}/task`)
    assert.match(options.text, /allow: GET, HEAD, POST, DELETE, OPTIONS/i)
  })

  test('a cluster is no node of its own', async t => {
    const { url: server } = await serve(t)
    refused(await curl(`${server}/node`, '-d', `name=self&url=${server}`), 404, /it is this cluster itself/)
    assert.deepEqual((await curl(`${server}/node?all=1`)).json, { nodes: {} })
  })

  test('a node with a token is registered and used with it only', async t => {
    const node = await fakeNode(t)
    node.token = 'sesame'
    node.newStatus = 'reported'
    const front = await serve(t, { NodeTokens: { [node.url]: 'sesame' } })
    const { url: server } = front
    assert.equal((await curl(`${server}/node`, '-d', `name=known&url=${node.url}`)).status, 200)
    await front.reaches(await front.submit('MZ'), 'finished')
    assert(node.calls.every(call => call.authorization === 'Bearer sesame'))
    // Whoever registers the name with another URL gets nothing.
    const other = await fakeNode(t)
    await curl('-XDELETE', `${server}/node/known`)
    assert.equal((await curl(`${server}/node`, '-d', `name=known&url=${other.url}`)).status, 200)
    await waitFor(() => other.paths().includes('GET /cuckoo/status'), { describe: 'the other one to be used' })
    assert(other.calls.every(call => call.authorization === undefined))
    other.token = 'sesame'
    refused(await curl(`${server}/node`, '-d', `name=third&url=${other.url}prefix`), 404, /unauthorized/)
    for (const path of ['/status', '/node', '/node?all=1'])
      assert.doesNotMatch((await curl(server + path)).text, /sesame/)
    assert.doesNotMatch(front.process.output.join('\n'), /sesame/)
  })
}
