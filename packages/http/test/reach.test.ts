import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { describe, test } from 'node:test'
import { parseBaseUrl, reachProblems, StatusError, statusProblem } from '../src/index.js'
import { cert, expired, notYetValid, serveTls } from './certificates.js'
import { nowhere, serve, serveRaw } from './server.js'

const { signal } = new AbortController()

function problems(url: string, verifySsl = true): Promise<string[]> {
  return reachProblems({ baseUrl: parseBaseUrl(url), verifySsl }, signal)
}

function answer(status: number, text: string): RequestListener {
  return (_request, response) => response.writeHead(status).end(text)
}

describe('whether a server can be reached', () => {
  test('any answer will do, whatever its status and its text', async t => {
    assert.deepEqual(await problems(await serve(t, answer(200, 'sent to an HTTPS port'))), [])
    assert.deepEqual(await problems(await serve(t, answer(400, 'no'))), [])
    assert.deepEqual(await problems(await serve(t, answer(599, ''))), [])
    assert.deepEqual(await problems(await serveTls(t, cert, answer(404, '')), false), [])
  })

  test('a port at which nobody listens', async () => {
    assert.match((await problems(await nowhere())).join(), /^nobody listens there/)
  })

  test('http where TLS is spoken', async t => {
    const nginx = answer(400, '<title>400 The plain HTTP request was sent to HTTPS port</title>')
    assert.deepEqual(await problems(await serve(t, nginx)), ['the port uses TLS: write https://'])
    const tls = await serveTls(t, cert, answer(200, ''))
    assert.match((await problems(tls.replace('https', 'http'))).join(), /closes the connection without an answer/)
  })

  test('https where no TLS is spoken, and a connection that breaks during its beginning', async t => {
    const plain = await serve(t, answer(200, ''))
    assert.deepEqual(await problems(plain.replace('http', 'https')), ['the port does not use TLS: write http://'])
    const broken = await serveRaw(t, socket => socket.resetAndDestroy())
    assert.match((await problems(broken.replace('http', 'https'))).join(), /^GET https:.*reset|ECONNRESET|disconnected/)
  })

  test('certificates: of nobody known, expired, not valid yet', async t => {
    const withCertificate = async (certificate: string) =>
      (await problems(await serveTls(t, certificate, answer(200, '')))).join()
    assert.match(await withCertificate(cert), /is not trusted: .* NODE_EXTRA_CA_CERTS/)
    assert.match(await withCertificate(expired), /has expired/)
    assert.match(await withCertificate(notYetValid), /is not valid yet/)
  })

  test('a clock that is more than five minutes ahead or behind', async t => {
    const now = Date.parse('2026-11-28T01:00:00Z')
    t.mock.timers.enable({ apis: ['Date'], now })
    const withDate = async (date: string) =>
      problems(await serve(t, (_request, response) => response.setHeader('date', date).end()))
    const secondsAhead = (seconds: number) => withDate(new Date(now + seconds * 1000).toUTCString())
    assert.deepEqual(await secondsAhead(300), [])
    assert.deepEqual(await secondsAhead(301), ['its clock and the one of this machine are 301 s apart'])
    assert.deepEqual(await secondsAhead(-300), [])
    assert.deepEqual(await secondsAhead(-3600), ['its clock and the one of this machine are 3600 s apart'])
    assert.deepEqual(await withDate('yesterday'), [])
  })

  test('an abort rejects with its reason', async t => {
    const abort = new AbortController()
    const url = await serveRaw(t, () => abort.abort(new Error('enough')))
    await assert.rejects(
      reachProblems({ baseUrl: parseBaseUrl(url), verifySsl: true }, abort.signal),
      /^Error: enough$/,
    )
  })
})

test('a status that is no answer of an API, in words', () => {
  const withStatus = (status: number, location?: string) =>
    statusProblem(
      new StatusError({ method: 'GET', url: 'http://x/' }, { status, location, retryAfterMs: undefined, excerpt: '' }),
    )
  assert.match(withStatus(302, 'http://y/') ?? '', /redirects to http:\/\/y\//)
  assert.match(withStatus(404) ?? '', /the URL is wrong, or the API is switched off/)
  for (const status of [502, 503, 504]) assert.match(withStatus(status) ?? '', /a proxy answers/)
  for (const status of [401, 405, 500, 505]) assert.equal(withStatus(status), undefined)
  assert.equal(statusProblem(new Error('x')), undefined)
})
