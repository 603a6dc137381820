import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { delay } from '@cuckoo-distributed/wait'
import { parseBaseUrl, StatusError, UrlError } from '../src/index.js'
import { bodyOf, clientFor, serve } from './server.js'

const { signal } = new AbortController()
const get = { method: 'GET', path: '/x', signal } as const

describe('a request', () => {
  test('keeps the path prefix of the base URL and encodes the query', async t => {
    const seen: (string | undefined)[] = []
    const url = await serve(t, (request, response) => {
      seen.push(request.url)
      response.end('{}')
    })
    for (const baseUrl of [`${url}/a/b`, `${url}/a/b///`, url, `${url}/`]) {
      const response = await clientFor(t, baseUrl).request({ ...get, query: { q: 'a b&c', n: 1 } })
      response.discard()
    }
    assert.deepEqual(seen, [
      '/a/b/x?q=a%20b%26c&n=1',
      '/a/b/x?q=a%20b%26c&n=1',
      '/x?q=a%20b%26c&n=1',
      '/x?q=a%20b%26c&n=1',
    ])
  })

  test('sends the user info of the base URL as Basic credentials', async t => {
    let authorization: string | undefined
    const url = await serve(t, (request, response) => {
      authorization = request.headers.authorization
      response.end()
    })
    const client = clientFor(t, url.replace('//', '//us%40er:p%C3%A4ss@'))
    await (await client.request(get)).text(0)
    assert.equal(authorization, `Basic ${Buffer.from('us@er:päss').toString('base64')}`)
    assert.equal(client.baseUrl, url)
    const withToken = clientFor(t, url.replace('//', '//user:pass@'), { token: { scheme: 'Token', value: 'k' } })
    await (await withToken.request(get)).text(0)
    assert.equal(authorization, 'Token k')
    await (await clientFor(t, url).request(get)).text(0)
    assert.equal(authorization, undefined)
  })

  test('asks for the connection to be closed, unless keep-alive is chosen', async t => {
    const connections: (string | undefined)[] = []
    const url = await serve(t, (request, response) => {
      connections.push(request.headers.connection)
      response.end('x')
    })
    await (await clientFor(t, url).request(get)).text(1)
    await (await clientFor(t, url, { idleMs: 400 }).request(get)).text(1)
    assert.deepEqual(connections, ['close', 'keep-alive'])
  })

  test('sends text and bytes with their length', async t => {
    const seen: unknown[] = []
    const url = await serve(t, async (request, response) => {
      const { 'content-length': length, 'transfer-encoding': encoding, 'content-type': type } = request.headers
      seen.push([length, encoding, type, (await bodyOf(request)).toString()])
      response.end()
    })
    const client = clientFor(t, url)
    const headers = { 'content-type': 'application/json' }
    await (await client.request({ ...get, method: 'POST', body: '{"ä":1}', headers })).text(0)
    await (await client.request({ ...get, method: 'POST', body: Buffer.from('abc') })).text(0)
    await (await client.request({ ...get, method: 'POST', body: '' })).text(0)
    assert.deepEqual(seen, [
      ['8', undefined, 'application/json', '{"ä":1}'],
      ['3', undefined, 'application/octet-stream', 'abc'],
      ['0', undefined, 'text/plain; charset=utf-8', ''],
    ])
  })

  test('leaves no listener on a long-lived signal', async t => {
    const url = await serve(t, (_request, response) => response.end('x'))
    const client = clientFor(t, url)
    await (await client.request(get)).text(1)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  test('no more than maxConnections are open at a time', async t => {
    let open = 0
    let most = 0
    const url = await serve(t, (_request, response) => {
      open += 1
      most = Math.max(most, open)
      setImmediate(() => {
        open -= 1
        response.end('x')
      })
    })
    const client = clientFor(t, url, { maxConnections: 1 })
    await Promise.all([1, 2, 3].map(async () => (await client.request(get)).text(1)))
    assert.equal(most, 1)
  })
})

describe('a status that is not 2xx', () => {
  async function failure(t: Parameters<typeof serve>[0], status: number, headers: object, body: string) {
    const url = await serve(t, (_request, response) => response.writeHead(status, { ...headers }).end(body))
    const error: unknown = await clientFor(t, url)
      .request(get)
      .catch((e: unknown) => e)
    assert.ok(error instanceof StatusError)
    return error
  }

  test('is a StatusError with the text of the page, without its markup', async t => {
    const page =
      '<html><head><title>Error: 404 Not Found</title><style>html {x: y}</style></head>\n' +
      '<body><h1>Not\u0000\n Found</h1>\u0007<p>The requested URL was not found.</p></body></html>'
    const error = await failure(t, 404, { 'content-type': 'text/html' }, page)
    assert.equal(error.status, 404)
    assert.equal(error.code, 'HTTP_STATUS')
    assert.equal(error.excerpt, 'Not Found The requested URL was not found.')
    assert.match(
      error.message,
      /^GET http:\/\/127\.0\.0\.1:\d+\/x: status 404: Not Found The requested URL was not found\.$/,
    )
  })

  test('is explained by the reason alone when the page marks it as preformatted', async t => {
    const page = `<h1>Error: 500</h1><p>Sorry, the URL <tt>${'u'.repeat(200)}</tt> caused an error:</p><pre>Task is busy</pre>`
    assert.equal((await failure(t, 500, { 'content-type': 'text/html' }, page)).excerpt, 'Task is busy')
  })

  test('shows at most 200 characters of a long answer, and needs not all of it', async t => {
    const error = await failure(t, 500, {}, 'e'.repeat(1_000_000))
    assert.equal(error.excerpt, 'e'.repeat(200))
  })

  test('is explained by a text that comes in pieces, as far as it is there when it breaks off', async t => {
    const url = await serve(t, (_request, response) => {
      response.writeHead(500, { 'content-length': 100 }).write('one ')
      setImmediate(() => response.write('two', () => response.destroy()))
    })
    await assert.rejects(clientFor(t, url).request(get), (error: unknown) => {
      assert.ok(error instanceof StatusError)
      assert.deepEqual([error.excerpt, Object(error.cause).code], ['one two', 'HTTP_BODY_TRUNCATED'])
      return true
    })
  })

  test('is not waited for to its end by one who gives up', async t => {
    const abort = new AbortController()
    const url = await serve(t, (_request, response) => {
      response.writeHead(500, { 'content-length': 100 }).write('one', () => setImmediate(() => abort.abort(stop)))
    })
    const stop = Object.assign(new Error('stop'), { code: 'STOP' })
    await assert.rejects(clientFor(t, url).request({ ...get, signal: abort.signal }), (e: unknown) => e === stop)
  })

  test('is not raised when the caller expects it', async t => {
    const url = await serve(t, (_request, response) => response.writeHead(404).end('gone'))
    const response = await clientFor(t, url).request({ ...get, expectStatus: [404] })
    assert.deepEqual([response.status, await response.text(10)], [404, 'gone'])
  })

  test('is raised for a redirect, which is not followed', async t => {
    let requests = 0
    const url = await serve(t, (_request, response) => {
      requests += 1
      response.writeHead(302, { location: '/login?next=secret' }).end()
    })
    const request = clientFor(t, url.replace('//', '//u:pw@')).request(get)
    const message = `GET ${url}/x: status 302, redirect to ${url}/login not followed`
    await assert.rejects(request, { status: 302, location: `${url}/login`, message })
    assert.equal(requests, 1)
  })

  test('tells how long to wait, from seconds or a date', async t => {
    assert.equal((await failure(t, 429, { 'retry-after': '7' }, '')).retryAfterMs, 7000)
    const past = await failure(t, 503, { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }, '')
    assert.equal(past.retryAfterMs, 0)
    assert.equal((await failure(t, 503, { 'retry-after': 'soon' }, '')).retryAfterMs, undefined)
    assert.equal((await failure(t, 503, {}, '')).retryAfterMs, undefined)
  })
})

describe('secrets', () => {
  test('no error shows the password, its header, the query or a secret of the request', async t => {
    const url = await serve(t, (request, response) => {
      const echo = `${request.url} ${request.headers.authorization} p@ss p%40ss`
      response.writeHead(500).end(echo)
    })
    const client = clientFor(t, url.replace('//', '//user:p%40ss@'))
    const error: unknown = await client
      .request({ ...get, path: '/KEY-1/x', query: { api_key: 'KEY-1', token: 't/ö' }, secrets: ['KEY-1', 't/ö'] })
      .catch((e: unknown) => e)
    assert.ok(error instanceof StatusError)
    const token = Buffer.from('user:p@ss').toString('base64')
    for (const text of [error.message, error.excerpt, error.url, String(error.stack)]) {
      for (const secret of ['KEY-1', 't/ö', 't%2F%C3%B6', 'p@ss', 'p%40ss', token])
        assert.ok(!text.includes(secret), `${secret} in ${text}`)
    }
    assert.ok(!error.url.includes('?'))
  })

  /** Passwords that are not percent-encoded: a part of each is taken for a host, a path, a query. */
  const BROKEN = [
    'http://u:1/pw@h',
    'http://u:a@pw/b@h',
    'http://u:1?pw@h',
    'http://pw:1#pw@h',
    'http://pw:1\\pw@h',
    'http://pw/1@h',
  ]

  test('an invalid base URL is refused without being quoted', () => {
    for (const baseUrl of [
      '',
      'host:80',
      'ftp://u:pw@h',
      '//u:pw@h',
      'http://u:pw@h/?q',
      'http://u:pw@h/#f',
      'u:pw',
      ...BROKEN,
    ]) {
      assert.throws(
        () => parseBaseUrl(baseUrl),
        (error: unknown) => error instanceof UrlError && error.code === 'INVALID_URL' && !error.message.includes('pw'),
      )
    }
  })
})

// How much the kernel buffers decides when the end of the connection is seen, so several lengths are tried.
for (const length of [100_000, 133_000, 200_000, 1_000_000]) {
  test(`${length} bytes arrive whole although the server has closed the connection and the reader is slower`, async t => {
    const body = Buffer.alloc(length, 'a')
    const url = await serve(t, (_, response) => {
      response.shouldKeepAlive = false
      response.writeHead(200, { 'content-length': body.length })
      response.end(body)
    })
    const response = await clientFor(t, url).request({ method: 'GET', path: '/', signal })
    let received = 0
    for await (const chunk of response.stream(1e9)) {
      received += chunk.length
      await delay(5, signal)
    }
    assert.equal(received, body.length)
  })
}
