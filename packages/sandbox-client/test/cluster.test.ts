/** What a client needs that puts several servers to work. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { CuckooClient, TaskRefusedError, UnexpectedAnswerError } from '../src/index.js'
import { bottlePage, stub } from './stub.js'

const { signal } = new AbortController()

test('machines come with platform and tags, and without what a server leaves out', async t => {
  const { client, received } = await stub(t, {
    body: {
      machines: [
        { id: 1, name: 'w7a', label: 'w7a', platform: 'windows', tags: ['win7', 'office'], locked: false },
        { name: 'w7b', platform: null, tags: null },
        { name: 'w7c', tags: [''] },
      ],
    },
  })
  assert.deepEqual(await client.listMachines(signal), [
    { name: 'w7a', platform: 'windows', tags: ['win7', 'office'] },
    { name: 'w7b', platform: '', tags: [] },
    { name: 'w7c', platform: '', tags: [] },
  ])
  assert.equal(received[0]?.line, 'GET /machines/list')
})

test('an answer without a list of named machines is not that of a Cuckoo', async t => {
  const { client } = await stub(t, { body: {} }, { body: { machines: [{ platform: 'windows' }] } })
  await assert.rejects(client.listMachines(signal), UnexpectedAnswerError)
  await assert.rejects(client.listMachines(signal), UnexpectedAnswerError)
})

test('a list of machines has at most 1 MiB', async t => {
  const { client } = await stub(t, { body: { machines: [{ name: 'x'.repeat(2 ** 20) }] } })
  await assert.rejects(client.listMachines(signal), { code: 'HTTP_BODY_TOO_LARGE' })
})

test('a URL becomes a task of its own, with the options that are not empty', async t => {
  const { client, received } = await stub(t, { body: { task_id: 8 } }, { body: { task_id: null } })
  const url = 'http://example.com/?q=ä&r=1'
  const task = { url, options: { custom: 'dist:1:1', package: '', memory: 'no' } }
  assert.equal((await client.createUrlTask(task, signal)).id, 8)
  assert.equal(received[0]?.line, 'POST /tasks/create/url')
  assert.deepEqual(
    [...(received[0]?.form ?? [])],
    [
      ['custom', 'dist:1:1'],
      ['url', url],
    ],
  )
  await assert.rejects(client.createUrlTask(task, signal), TaskRefusedError)
})

test('a report in a format that the server does not have, or does not know, is undefined', async t => {
  const { client, received } = await stub(
    t,
    { body: '<html></html>', type: 'text/html' },
    bottlePage('404 Not Found', 'Report not found'),
    bottlePage('400 Bad Request', 'Invalid report format'),
  )
  assert.equal(await (await client.reportAs(7, 'html', signal))?.text(100), '<html></html>')
  assert.equal(await client.reportAs(7, 'maec', signal), undefined)
  assert.equal(await client.reportAs(7, 'a/b', signal), undefined)
  assert.deepEqual(
    received.map(({ line }) => line),
    ['GET /tasks/report/7/html', 'GET /tasks/report/7/maec', 'GET /tasks/report/7/a%2Fb'],
  )
})

test('a token goes with every call and into no error', async t => {
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(401).end('the token s3cret-token is wrong')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert(typeof address === 'object' && address !== null)
  const baseUrl = `http://127.0.0.1:${address.port}`
  const client = new CuckooClient({
    baseUrl: new URL(baseUrl),
    verifySsl: true,
    maxConnections: 1,
    apiToken: 's3cret-token',
  })
  t.after(async () => {
    await client[Symbol.asyncDispose]()
    server.close()
  })
  const failure = (error: Error) => !error.message.includes('s3cret') && error.message.includes('401')
  await assert.rejects(client.status(signal), failure)
  await assert.rejects(client.createUrlTask({ url: 'http://a', options: {} }, signal), failure)
  assert.deepEqual(seen, ['Bearer s3cret-token', 'Bearer s3cret-token'])
})
