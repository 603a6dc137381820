import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { test } from 'node:test'
import { clientFor } from './server.js'

/** Made for this test; signed by itself. */
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmaIn9efuCxw3AOvU
8LMmgh7GW4IOX3hlL/ZAaBr4TPahRANCAARTVPZ9pmUOxc+Qu1qGN7GkA3X5RsNo
nFYk4EtZQRNzy4R6/dCCPqsDMyMMnz5j0HlK2Rf0qhZ55gAWw77nb7QH
-----END PRIVATE KEY-----`
const cert = `-----BEGIN CERTIFICATE-----
MIIBkTCCATagAwIBAgIUSLWeuT419wnDul7N5lEkRrsKcEIwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTIwMzkzM1oYDzIxMjYxMDI4
MjAzOTMzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARTVPZ9pmUOxc+Qu1qGN7GkA3X5RsNonFYk4EtZQRNzy4R6/dCCPqsD
MyMMnz5j0HlK2Rf0qhZ55gAWw77nb7QHo2QwYjAdBgNVHQ4EFgQUIcN+uihRn2lj
S2G/dpS+VMvg7kIwHwYDVR0jBBgwFoAUIcN+uihRn2ljS2G/dpS+VMvg7kIwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYC
IQDgpFSsaWvJa8kdpJZHB/EXF7qi+ymax6FoHhMMR9xADwIhALsDBskjNQ3XZf+T
T7KCFJBl19Pf86JlB/kVvk5SDcYt
-----END CERTIFICATE-----`

test('a certificate that nobody vouches for is accepted only by the client that does not verify', async t => {
  const server = createServer({ key, cert }, (_request, response) => response.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const url = `https://127.0.0.1:${address.port}`
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
