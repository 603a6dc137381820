import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CapeOptions, type CapeStandIn, startCape, startCuckoo, waitFor } from '@cuckoo-distributed/testing'
import { CuckooServer, type CuckooServerOptions, CuckooServers } from '../src/index.js'
import { KEY, sample, signal } from './cape-scene.js'
import { stub } from './stub.js'

const USERS = [{ name: 'f', keys: [KEY], rate: null }]

function serverAt(url: string, options: Partial<CuckooServerOptions> = {}) {
  const kinds: string[][] = []
  const server = new CuckooServer({
    baseUrl: new URL(url),
    verifySsl: true,
    maxConnections: 1,
    onKind: (...kind) => kinds.push(kind),
    ...options,
  })
  return { server, kinds }
}

for (const [name, options] of Object.entries({
  'as shipped': {},
  'in production': { server: 'production' },
  'with a token': { users: USERS, on: ['cuckoostatus'] },
  'that refuses the token': { users: [{ name: 'f', keys: ['another'] }] },
  'that is busy': { users: [{ name: 'f', keys: [KEY], rate: 0 }] },
} satisfies Record<string, CapeOptions>)) {
  test(`a CAPE ${name} is found with two requests`, async () => {
    await using cape = await startCape(options)
    const { server, kinds } = serverAt(cape.url, { apiTokens: { [cape.url]: KEY } })
    await using _ = server
    await server.client.viewTask(1, signal).catch(() => undefined)
    assert.deepEqual(kinds, [[cape.url, 'cape', '2.5']])
    assert.deepEqual(
      cape.journal.slice(0, 2).map(({ path }) => path),
      ['/apiv2/cuckoo/status', '/apiv2/cuckoo/status/'],
    )
    assert.equal(server.client.kind, 'cape')
  })
}

test('a Cuckoo is found with its first status, which is not asked for again', async () => {
  for (const version of ['1.2', '2.0'] as const) {
    await using cuckoo = await startCuckoo({ version, ...(version === '2.0' && { apiToken: KEY }) })
    const { server, kinds } = serverAt(cuckoo.url, { apiTokens: { [cuckoo.url]: KEY } })
    await using _ = server
    assert.equal(server.client.kind, undefined)
    await server.client.status(signal)
    assert.equal(cuckoo.journal.length, 1)
    assert.deepEqual(
      kinds.map(([, kind]) => kind),
      ['cuckoo'],
    )
    const { id } = await server.client.createTask(sample('a.exe', { custom: 'x' }), signal)
    assert.equal((await server.client.viewTask(id, signal))?.custom, 'x')
    assert.deepEqual(cuckoo.violations, [])
  }
})

test('what it is said to be is not asked for', async () => {
  await using cape = await startCape()
  const { server, kinds } = serverAt(cape.url, { kind: 'cape' })
  await using _ = server
  await server.client.viewTask(1, signal)
  assert.deepEqual([kinds, cape.journal.length], [[], 1])
})

test('what was found stays so, whatever answers later', async t => {
  const { url } = await stub(t, { body: { version: '1.2', tasks: { pending: 1 } } }, { status: 301 }, { status: 404 })
  const { server } = serverAt(url)
  await using _ = server
  await server.client.status(signal)
  await assert.rejects(server.client.status(signal), { status: 301 })
  await assert.rejects(server.client.status(signal), { status: 404 })
  assert.equal(server.client.kind, 'cuckoo')
})

test('what is neither is waited for, and it is said what to set', async t => {
  const other = { body: { hello: 1 } }
  const { url } = await stub(t, other, { status: 404 }, { status: 302 }, { status: 404 })
  const { server } = serverAt(url)
  await using _ = server
  for (let n = 0; n < 2; n += 1) {
    const error = { code: 'CUCKOO_UNDECIDED', fault: 'doubtful', message: /ends in \/apiv2.*set "Sandbox"/ }
    await assert.rejects(server.client.viewTask(1, signal), error)
  }
  assert.equal(server.client.kind, undefined)
})

for (const [is, said] of [
  ['cuckoo', 'cape'],
  ['cape', 'cuckoo'],
] as const) {
  test(`a ${is} that is said to be a ${said} is waited for, and it is said what to set`, async () => {
    await using sandbox = is === 'cape' ? await startCape() : await startCuckoo()
    const told: unknown[] = []
    const onAvailability = (_: string, state: string, error: unknown) => told.push(state, error)
    const { server } = serverAt(sandbox.url, { kind: said, onAvailability })
    await using _ = server
    const waiting = new AbortController()
    const asked = server.patient.status(waiting.signal)
    await waitFor(() => told.length > 0, { describe: 'the sandbox to be found wrong' })
    waiting.abort()
    await assert.rejects(asked, { name: 'AbortError' })
    const [state, error] = told
    assert.equal(state, 'down')
    assert.ok(error instanceof Error && error.cause instanceof Error)
    assert.equal(
      error.message,
      `${sandbox.url} does not answer as a ${said}, which "Sandbox" says it is: check "CuckooURL" (of a CAPE it ends in /apiv2), ` +
        `or set "Sandbox" of feed_cuckoo to "${is}" or "auto"`,
    )
  })
}

test('the web interface of a CAPE is not its API', async () => {
  for (const server of ['debug', 'production'] as const) {
    await using cape = await startCape({ server })
    await using sandbox = serverAt(cape.url.replace('/apiv2', '')).server
    await assert.rejects(sandbox.client.status(signal), { code: 'CUCKOO_UNDECIDED' })
  }
})

test('a server that is away says nothing about what it is', async () => {
  await using cape = await startCape()
  const { server, kinds } = serverAt(cape.url)
  await using _ = server
  cape.faults.next({ kind: 'status', status: 503, times: 2 })
  await assert.rejects(server.client.status(signal), { status: 503 })
  await cape.down()
  await assert.rejects(server.client.status(signal), { code: 'HTTP_NETWORK' })
  assert.deepEqual(kinds, [])
  await cape.up()
  cape.faults.clear()
  await server.client.status(signal)
  assert.equal(kinds.length, 1)
})

test('messages that say different things of one URL are each spoken to in their own way', async () => {
  await using cape = await startCape()
  await using servers = new CuckooServers({ verifySsl: true, maxConnections: 1 })
  const url = new URL(cape.url)
  const found = servers.at(url)
  await found.client.status(signal)
  assert.equal(servers.at(url, 'cape'), found)
  assert.equal(servers.at(url, 'a word of the future'), found)
  assert.equal(servers.at(url, 'cuckoo').client.kind, 'cuckoo')
  assert.equal(servers.at(url, 'cuckoo'), servers.at(url, 'cuckoo'))
  assert.equal(servers.at(url), found)
})

test('a mark is found by the search for its file, and a failed task is not taken for it', async () => {
  await using cape: CapeStandIn = await startCape({ idle: true })
  await using server = serverAt(cape.url).server
  const { id } = await server.client.createTask(sample('a.exe', { custom: 'one' }), signal)
  await server.client.createTask(sample('a.exe', { custom: 'two' }), signal)
  const { md5 } = cape.submissions[0]?.sample ?? assert.fail()
  const look = { after: performance.now(), signal }
  assert.equal((await server.marks.find({ custom: 'one', md5 }, look))?.id, id)
  assert.equal(await server.marks.find({ custom: 'three', md5 }, look), undefined)
  cape.move(id, 'banned')
  assert.equal(await server.marks.find({ custom: 'one', md5 }, look), undefined)
  assert.equal(cape.journal.filter(({ path }) => path.includes('/tasks/list/')).length, 0)
})

test('a Cuckoo that refuses the token says so, and is still looked for', async () => {
  await using cuckoo = await startCuckoo({ version: '2.0', apiToken: 'another' })
  await using sandbox = serverAt(cuckoo.url, { apiTokens: { [cuckoo.url]: KEY } }).server
  for (let n = 0; n < 2; n += 1) {
    await assert.rejects(sandbox.client.status(signal), { code: 'CUCKOO_TOKEN_REFUSED', status: 401 })
    assert.equal(sandbox.client.kind, undefined)
  }
})
