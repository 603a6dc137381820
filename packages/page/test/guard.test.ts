import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type GuardOptions, guardPage, tokenCheck } from '@cuckoo-distributed/page'

const asked = (headers: Readonly<Record<string, string>>, url = '/events', method = 'GET') => {
  return { method, url, headers: { host: 'localhost:9004', ...headers }, httpVersion: '1.1' }
}

test('with a token and known names, both are demanded of everything but the page', () => {
  const refusalOf = guardPage({ token: 's3cret', hosts: ['ops.example'] })
  const authorization = 'Bearer s3cret'
  const rows: [request: ReturnType<typeof asked>, status: number | undefined][] = [
    [asked({ authorization }), undefined],
    [asked({ authorization, host: 'OPS.example' }), undefined],
    [asked({ authorization, host: 'evil.example' }), 403],
    [asked({ host: 'evil.example' }, '/'), 403],
    [asked({}, '/'), undefined],
    [asked({ 'sec-fetch-site': 'cross-site' }, '/'), undefined],
    [asked({}, '/?x'), 401],
    [asked({}, '/', 'POST'), 401],
    [asked({}), 401],
    [asked({ authorization: 'Bearer s3cre' }), 401],
    [asked({ authorization, origin: 'http://localhost:9005' }), 403],
    [asked({ authorization, 'sec-fetch-site': 'same-site' }), 403],
    [asked({ authorization, origin: 'http://localhost:9004', 'sec-fetch-site': 'same-origin' }), undefined],
  ]
  for (const [request, status] of rows) assert.equal(refusalOf(request)?.status, status, JSON.stringify(request))
  assert.deepEqual(refusalOf({ ...asked({ authorization }), headers: { authorization } }), {
    status: 400,
    reason: 'no-host',
  })
})

test('without a token nobody is asked for one, and any name is any name', () => {
  const open: GuardOptions = { token: '', hosts: 'any' }
  assert.equal(guardPage(open)(asked({ host: 'whatever.example' })), undefined)
  assert.equal(guardPage({ ...open, hosts: [] })(asked({ host: 'whatever.example' }))?.reason, 'unknown-host')
})

test('an empty header never holds the token, whatever it is', () => {
  for (const token of ['a', ' ', 'é:ß']) {
    assert.equal(tokenCheck(token)(undefined), false)
    assert.equal(tokenCheck(token)(''), false)
  }
  assert.equal(tokenCheck('é:ß')(`Basic ${Buffer.from('any:é:ß').toString('base64')}`), true)
})
