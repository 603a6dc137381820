import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { faultOf, NetworkError, NotJsonError, TimeoutError } from '../src/index.js'
import { clientFor, nowhere, serve, serveRaw } from './server.js'

const { signal } = new AbortController()
const get = { method: 'GET', path: '/x', signal } as const
const post = { method: 'POST', path: '/x', signal, body: 'body' } as const

describe('a server that is away', () => {
  test('a refused connection is a NetworkError with nothing of the body sent', async t => {
    const client = clientFor(t, await nowhere())
    let begun = false
    const onBegun = () => {
      begun = true
    }
    await assert.rejects(client.request({ ...post, onBegun }), (error: unknown) => {
      assert.ok(error instanceof NetworkError && faultOf(error) === 'doubtful')
      assert.equal(error.bodyBegun, false)
      assert.match(error.message, /^POST http:\/\/127\.0\.0\.1:\d+\/x: .*ECONNREFUSED/)
      return true
    })
    assert.equal(begun, false)
  })

  test('a connection reset before the answer is a NetworkError with the body begun', async t => {
    const url = await serveRaw(t, socket => socket.resetAndDestroy())
    let begun = 0
    const onBegun = () => {
      begun += 1
    }
    const failing = clientFor(t, url).request({ ...post, onBegun })
    await assert.rejects(failing, { code: 'HTTP_NETWORK', bodyBegun: true })
    assert.equal(begun, 1)
  })

  test('a connection closed before the answer is a NetworkError, and nothing is sent again', async t => {
    let connections = 0
    const url = await serveRaw(t, socket => {
      connections += 1
      socket.end()
    })
    await assert.rejects(clientFor(t, url).request(get), { code: 'HTTP_NETWORK', bodyBegun: false })
    assert.equal(connections, 1)
  })

  test('no answer in time is a TimeoutError that tells whether the body was begun', async t => {
    const url = await serveRaw(t, () => {})
    const client = clientFor(t, url)
    for (const [request, bodyBegun] of [[get, false] as const, [post, true] as const]) {
      await assert.rejects(client.request({ ...request, headersTimeoutMs: 20 }), (error: unknown) => {
        assert.ok(error instanceof TimeoutError && faultOf(error) === 'doubtful')
        assert.equal(error.bodyBegun, bodyBegun)
        return true
      })
    }
  })

  test('a status says whether the server is at fault, asks for patience, or refuses', async t => {
    let status = 0
    const url = await serve(t, (_request, response) => response.writeHead(status).end())
    const client = clientFor(t, url)
    const faults: string[] = []
    for (status of [500, 502, 504, 429, 404]) {
      await client.request(get).catch((error: unknown) => faults.push(faultOf(error)))
    }
    assert.deepEqual(faults, ['doubtful', 'doubtful', 'doubtful', 'back-pressure', 'own'])
  })

  test('an error may say itself what it means; other words are none of ours', () => {
    for (const fault of ['back-pressure', 'doubtful', 'own'] as const)
      assert.equal(faultOf(Object.assign(new Error('x'), { fault })), fault)
    assert.equal(faultOf(Object.assign(new Error('x'), { fault: 'mine' })), 'own')
    assert.equal(faultOf({ fault: 'doubtful' }), 'own')
  })

  test('a cause without words is named by its code, or its kind', () => {
    const line = { method: 'GET', url: 'http://h/' }
    const named = (cause: unknown) => new NetworkError(line, false, cause).message.replace('GET http://h/: ', '')
    assert.equal(named(new Error('words')), 'words')
    assert.equal(named(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })), 'ECONNREFUSED')
    assert.equal(named(new AggregateError([])), 'AggregateError')
    assert.equal(named('text'), 'failed')
  })
})

describe('an aborted signal', () => {
  for (const reason of [new Error('stop'), Object.assign(new Error('with a code'), { code: 'STOP' }), 'a string']) {
    test(`rejects a waiting request with the reason itself (${reason})`, async t => {
      const controller = new AbortController()
      const url = await serveRaw(t, () => controller.abort(reason))
      const request = clientFor(t, url).request({ ...post, signal: controller.signal })
      await assert.rejects(
        request.catch((error: unknown) => Promise.reject({ error })),
        { error: reason },
      )
    })
  }

  test('rejects before anything is sent when it was aborted before', async t => {
    const reason = new Error('stopped')
    let requests = 0
    const url = await serve(t, () => {
      requests += 1
    })
    const request = clientFor(t, url).request({ ...get, signal: AbortSignal.abort(reason) })
    await assert.rejects(request, (error: unknown) => error === reason)
    assert.equal(requests, 0)
  })

  test('ends the reading of the body with the reason, and the connection', async t => {
    const controller = new AbortController()
    const reason = new Error('stop')
    let closed: Promise<unknown> | undefined
    const url = await serve(t, (request, response) => {
      closed = once(request.socket, 'close')
      response.writeHead(200, { 'content-length': 100 }).write('begin')
    })
    const response = await clientFor(t, url).request({ ...get, signal: controller.signal })
    const reading = async () => {
      for await (const chunk of response.stream(100)) {
        assert.equal(chunk.toString(), 'begin')
        controller.abort(reason)
      }
    }
    await assert.rejects(reading(), (error: unknown) => error === reason)
    await closed
  })
})

describe('a body', () => {
  const head = (length: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`

  test('shorter than announced is a TruncatedBodyError, not an end', async t => {
    const url = await serveRaw(t, socket => socket.end(`${head(10)}12345`))
    const response = await clientFor(t, url).request(get)
    assert.equal(response.contentLength, 10)
    const error = await response.text(100).catch((e: unknown) => e)
    assert.match(String(error), /TruncatedBodyError: GET .*: the answer ended after 5 of 10 bytes/)
  })

  test('cut within a chunk is a TruncatedBodyError', async t => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n12'
    const url = await serveRaw(t, socket => socket.end(chunked))
    const response = await clientFor(t, url).request(get)
    await assert.rejects(response.text(100), { code: 'HTTP_BODY_TRUNCATED' })
  })

  test('of an HTTP/1.0 server ends with the connection', async t => {
    const url = await serveRaw(t, socket => socket.end('HTTP/1.0 200 OK\r\n\r\nwhole'))
    assert.equal(await (await clientFor(t, url).request(get)).text(5), 'whole')
  })

  test('whose connection is reset is a TruncatedBodyError', async t => {
    const url = await serveRaw(t, socket => socket.write(`${head(10)}12345`, () => socket.resetAndDestroy()))
    const client = clientFor(t, url)
    await assert.rejects(async () => (await client.request(get)).text(100), { code: 'HTTP_BODY_TRUNCATED' })
  })

  test('that stalls is a TimeoutError', async t => {
    const url = await serveRaw(t, socket => socket.write(`${head(10)}12345`))
    const response = await clientFor(t, url).request({ ...get, bodyTimeoutMs: 20 })
    await assert.rejects(response.text(100), { code: 'HTTP_TIMEOUT' })
  })

  test('over the limit is refused by its announced length before it is read', async t => {
    const url = await serveRaw(t, socket => socket.write(head(11)))
    const response = await clientFor(t, url).request(get)
    await assert.rejects(response.text(10), { code: 'HTTP_BODY_TOO_LARGE' })
  })

  test('over the limit is refused while it is read when no length is announced', async t => {
    const url = await serve(t, (_request, response) => {
      response.write('123456')
      response.end('789012')
    })
    const response = await clientFor(t, url).request(get)
    await assert.rejects(response.text(10), { code: 'HTTP_BODY_TOO_LARGE' })
  })

  test('left early or discarded closes the connection', async t => {
    const closed: Promise<unknown>[] = []
    const url = await serve(t, (request, response) => {
      closed.push(once(request.socket, 'close'))
      response.write('begin')
    })
    const client = clientFor(t, url)
    for await (const _chunk of (await client.request(get)).stream(100)) break
    const unread = await client.request(get)
    unread.discard()
    await Promise.all(closed)
    assert.equal(closed.length, 2)
  })

  test('that is not JSON is a NotJsonError with status and excerpt', async t => {
    const url = await serve(t, (_request, response) => response.end('<html><h1>Please log in</h1></html>'))
    await assert.rejects(
      async () => (await clientFor(t, url).request(get)).json(1000),
      (error: unknown) => {
        assert.ok(error instanceof NotJsonError)
        assert.deepEqual([error.status, error.excerpt], [200, 'Please log in'])
        return true
      },
    )
  })

  test('that is JSON is parsed', async t => {
    const url = await serve(t, (_request, response) => response.end('{"a": [1, "ä"]}'))
    assert.deepEqual(await (await clientFor(t, url).request(get)).json(1000), { a: [1, 'ä'] })
  })
})
