import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cert, serveTls } from './certificates.js'
import { clientFor } from './server.js'

test('a certificate that nobody vouches for is accepted only by the client that does not verify', async t => {
  const url = await serveTls(t, cert, (_request, response) => response.end('hello'))
  const request = { method: 'GET', path: '/', signal: new AbortController().signal } as const
  const trusting = clientFor(t, url, { verifySsl: false })
  const verifying = clientFor(t, url, { verifySsl: true })
  assert.equal(await (await trusting.request(request)).text(5), 'hello')
  await assert.rejects(verifying.request({ ...request, method: 'POST', body: 'x' }), {
    code: 'HTTP_CERTIFICATE',
    sharedCause: true,
    bodyBegun: false,
    message: /self-signed certificate \(its certificate is not trusted/,
  })
})
