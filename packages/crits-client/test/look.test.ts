import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { startCrits } from '@cuckoo-distributed/testing'
import { critsLooks, critsUser } from '../src/index.js'

const signal = new AbortController().signal

async function problemsOf(url: string, user?: { username: string; apiKey: string }): Promise<string> {
  const [look] = critsLooks([url], true, user)
  const problems = await look?.problems(signal)
  return problems?.join() ?? 'nobody looked'
}

async function serve(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('a CRITs that is looked at for an administrator', () => {
  it('has no problems where its API is on, and none with a user that it knows', async () => {
    await using crits = await startCrits()
    assert.equal(await problemsOf(crits.url), '')
    const [known] = crits.users
    assert.ok(known)
    assert.equal(await problemsOf(crits.url, { username: known.name, apiKey: known.keys[0] ?? '' }), '')
    assert.match(await problemsOf(crits.url, { username: known.name, apiKey: 'another' }), /answered 401/)
  })

  it('is looked at once for each URL, and is named with the user', () => {
    const urls = ['http://user:pw@crits/a', 'http://user:pw@crits/a', 'http://crits/b']
    assert.deepEqual(
      critsLooks(urls, true, undefined).map(({ what, note }) => [what, note !== undefined]),
      [
        ['CRITs http://crits/a', true],
        ['CRITs http://crits/b', true],
      ],
    )
    const [look] = critsLooks(urls, true, { username: 'alice', apiKey: 'x' })
    assert.deepEqual([look?.what, look?.note], ['CRITs http://crits/a as alice', undefined])
  })

  it('is not asked for its API where it does not answer at all', async () => {
    const crits = await startCrits()
    await crits[Symbol.asyncDispose]()
    assert.match(await problemsOf(crits.url), /^nobody listens there/)
  })

  it('has an API that is off, or stands behind a proxy, or is something else', async t => {
    const withStatus = (status: number) =>
      serve(t, (request, response) => response.writeHead(request.url === '/' ? 200 : status).end('x'))
    assert.match(await problemsOf(await withStatus(404)), /^status 404: the API is switched off/)
    assert.match(await problemsOf(await withStatus(200)), /^status 200 instead of its API/)
    assert.match(await problemsOf(await withStatus(502)), /^status 502: a proxy answers/)
    assert.match(await problemsOf(await withStatus(500)), /^GET .*status 500/)
    const cut = await serve(t, (request, response) => (request.url === '/' ? response.end() : request.socket.destroy()))
    assert.match(await problemsOf(cut), /^GET .*\/api\/v1\/services\//)
  })

  it('rejects with the reason of an abort', async t => {
    for (const path of ['/', '/api/v1/services/']) {
      const abort = new AbortController()
      const url = await serve(t, (request, response) => {
        if (request.url === path) abort.abort(new Error('enough'))
        else response.end()
      })
      const [look] = critsLooks([url], true, undefined)
      await assert.rejects(look?.problems(abort.signal) ?? Promise.resolve(), /^Error: enough$/)
    }
  })
})

it('the user of the environment has a name and a key', () => {
  assert.deepEqual(critsUser({ CRITS_USERNAME: 'alice', CRITS_API_KEY: 'k' }), { username: 'alice', apiKey: 'k' })
  for (const env of [{ CRITS_USERNAME: 'alice' }, { CRITS_API_KEY: 'k' }, {}]) assert.equal(critsUser(env), undefined)
})
