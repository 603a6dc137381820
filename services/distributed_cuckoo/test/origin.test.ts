/** What the pages of other sites can make a browser ask of the server. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sendRaw, serveScene } from './api-scene.js'
import { makeScene } from './dispatch-scene.js'
import { startFakeNode } from './fake-node.js'

test('without a token the server answers to loopback names and configured ones only', async t => {
  const scene = await makeScene(t, { Host: '10.1.0.5', AllowedHosts: ['Lab.example', 'fd00::1'] })
  const { app, url } = await serveScene(t, scene)
  const statusAs = async (host: string) => (await app.inject({ url: '/node', headers: { host } })).statusCode
  for (const host of [
    ...['127.0.0.1:9003', '127.8.8.8', 'localhost', 'LOCALHOST.:9003', '[::1]:9003', '127.1'],
    ...['lab.example', 'LAB.EXAMPLE:9003', '[fd00::1]:9003', '10.1.0.5:9003'],
  ]) {
    assert.equal(await statusAs(host), 200, host)
  }
  for (const host of [
    ...['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', 'x.localhost', '10.1.0.6', '1127.0.0.1'],
    ...['[::2]', '0.0.0.0', 'lab.example.evil', 'evil.example@localhost', 'localhost#', 'localhost/x', '?'],
  ]) {
    assert.equal(await statusAs(host), 403, host)
  }
  assert.equal((await sendRaw(url, 'GET /node HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n')).status, 403)
  const refused = await app.inject({ url: '/', headers: { host: 'evil.example' } })
  assert.equal(refused.statusCode, 403)
  assert.deepEqual(refused.json(), {
    status: 403,
    message: 'Unknown host name: add it to AllowedHosts, or set ApiToken',
  })
})

test('listening on all addresses gives the server no name', async t => {
  for (const Host of ['0.0.0.0', '::']) {
    const { app } = await serveScene(t, await makeScene(t, { Host }))
    for (const host of ['0.0.0.0:9003', '[::]:9003']) {
      assert.equal((await app.inject({ url: '/node', headers: { host } })).statusCode, 403, `${Host} ${host}`)
    }
  }
})

test('with a token every name does, as no page can know the token', async t => {
  const { app } = await serveScene(t, await makeScene(t, { ApiToken: 's3cret' }))
  const headers = { host: 'cluster.example', authorization: 'Bearer s3cret' }
  assert.equal((await app.inject({ url: '/node', headers })).statusCode, 200)
  assert.equal((await app.inject({ url: '/node', headers: { host: 'cluster.example' } })).statusCode, 401)
})

test('the page of another origin registers no node and deletes no task, with a token or without', async t => {
  const node = await startFakeNode()
  t.after(() => node.close())
  for (const ApiToken of ['', 's3cret']) {
    const scene = await makeScene(t, { ApiToken })
    const { app } = await serveScene(t, scene)
    const id = await scene.addTask('MZ')
    const known = { host: 'localhost:9003', ...(ApiToken !== '' && { authorization: `Bearer ${ApiToken}` }) }
    const foreign = [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:8000' },
      { origin: 'http://localhost:9003.evil.example' },
      { origin: '' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', origin: 'http://localhost:9003' },
    ]
    for (const marks of foreign) {
      const headers = { ...known, ...marks }
      const payload = new URLSearchParams({ name: 'n1', url: node.url }).toString()
      const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' }
      const name = JSON.stringify(marks)
      const registering = await app.inject({ method: 'POST', url: '/node', headers: form, payload })
      assert.deepEqual([registering.statusCode, registering.json().status], [403, 403], name)
      assert.equal((await app.inject({ url: `/tasks/delete/${id}`, headers })).statusCode, 403, name)
      assert.equal((await app.inject({ url: '/status', headers })).statusCode, 403, name)
      // It holds nothing and does nothing, and may be linked to.
      assert.equal((await app.inject({ url: '/', headers })).statusCode, 200, name)
    }
    assert.deepEqual([node.calls, await scene.store.nodes.list()], [[], []])
    assert.equal((await scene.store.tasks.get(id))?.id, id)
    for (const marks of [
      { origin: 'http://localhost:9003' },
      { origin: 'https://LOCALHOST:9003', 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
    ]) {
      assert.equal((await app.inject({ url: '/status', headers: { ...known, ...marks } })).statusCode, 200)
    }
  }
})

test('a token may hold colons, as a bearer token and as a password', async t => {
  const { app } = await serveScene(t, await makeScene(t, { ApiToken: 'a:b::c' }))
  const statusWith = async (authorization: string) => {
    return (await app.inject({ url: '/node', headers: { authorization } })).statusCode
  }
  const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`
  for (const right of ['Bearer a:b::c', 'bearer a:b::c', basic('any:a:b::c'), basic(':a:b::c')]) {
    assert.equal(await statusWith(right), 200, right)
  }
  for (const wrong of [
    '',
    'Bearer a',
    'Bearer a:b::c ',
    'Bearer',
    'a:b::c',
    basic('a:b::c'),
    basic('any:a'),
    'Digest a:b::c',
    basic('any:a:b::c').replace('Basic', 'Digest'),
  ]) {
    assert.equal(await statusWith(wrong), 401, wrong)
  }
})

test('without the token only the page is open', async t => {
  const { app } = await serveScene(t, await makeScene(t, { ApiToken: 's3cret' }))
  assert.equal((await app.inject({ url: '/' })).statusCode, 200)
  for (const [method, url] of [
    ...[
      ['GET', '/?x'],
      ['HEAD', '/'],
      ['POST', '/'],
      ['GET', '//'],
      ['GET', '/status'],
      ['GET', '/openapi.json'],
    ],
    ...[
      ['GET', '/nope'],
      ['OPTIONS', '/node'],
      ['GET', '/cuckoo/status'],
      ['GET', '/v1/cuckoo/status'],
    ],
  ] as const) {
    const answer = await app.inject({ method: method as 'GET', url: url as string })
    assert.equal(answer.statusCode, 401, `${method} ${url}`)
    assert.equal(answer.headers['www-authenticate'], 'Bearer')
  }
})
