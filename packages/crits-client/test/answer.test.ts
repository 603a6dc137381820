import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { faultOf, NetworkError, StatusError } from '@cuckoo-distributed/http'
import { CritsAuthError, CritsError, CritsStatusError, CritsUrlError } from '../src/index.js'
import { type StubAnswer, startStub, TARGET } from './stub.js'

const signal = new AbortController().signal

describe('an answer', () => {
  const errors: readonly (readonly [
    claim: string,
    answer: StubAnswer,
    type: new (...args: never[]) => Error,
    text: RegExp,
  ])[] = [
    ['401 hints at WSGIPassAuthorization', { status: 401 }, CritsAuthError, /WSGIPassAuthorization On/],
    [
      'a redirect is a wrong URL and is not followed',
      { status: 301, headers: { location: 'https://c/x/?k=1' } },
      CritsUrlError,
      /https:\/\/c\/x/,
    ],
    ['200 with a page is a wrong URL', { body: '<html>login</html>' }, CritsUrlError, /text\/html/],
    ['JSON without return_code is a wrong URL', { body: { ok: 1 } }, CritsUrlError, /return_code/],
    ['404 is a wrong URL', { status: 404, body: 'not here' }, CritsUrlError, /404/],
    ['403 is a wrong URL', { status: 403, body: 'CSRF' }, CritsUrlError, /403/],
    ['405 is a wrong URL', { status: 405, body: 'GET' }, CritsUrlError, /405/],
    [
      '500 in JSON quotes CRITs',
      { status: 500, body: { error_message: 'bad\nliteral' } },
      CritsStatusError,
      /500: bad literal$/,
    ],
    ['500 as a page is a failure of CRITs', { status: 500, body: '<h1>oops</h1>' }, CritsStatusError, /answered 500$/],
    [
      'another return code is a refusal',
      { body: { return_code: 1, message: ', Need it.' } },
      CritsError,
      /code 1: Need it\.$/,
    ],
    ['502 is the outage it is', { status: 502, body: 'Bad Gateway' }, StatusError, /502/],
    ['none at all is a broken connection', { drop: true }, NetworkError, /POST/],
  ]
  for (const [claim, answer, type, text] of errors) {
    it(claim, async t => {
      const { client } = await startStub(t, () => answer)
      const error = await client.finish('completed', signal).catch((caught: unknown) => caught)
      assert.ok(error instanceof type, String(error))
      assert.match(error.message, text)
    })
  }

  it('never brings the API key into an error', async t => {
    const echo = `key=${TARGET.apiKey} in a traceback`
    const answers: StubAnswer[] = [
      { status: 500, body: { error_message: echo } },
      { status: 500, body: echo },
      { status: 502, body: echo },
      { body: { return_code: 1, message: echo } },
      { status: 302, headers: { location: `/${TARGET.apiKey}` } },
    ]
    for (const answer of answers) {
      const { client } = await startStub(t, () => answer)
      const error = await client.finish('completed', signal).catch((caught: unknown) => caught)
      assert.ok(error instanceof Error)
      assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(TARGET.apiKey), inspect(error))
    }
  })

  it("is doubtful when CRITs failed, and the item's own when it refused", () => {
    assert.equal(faultOf(new CritsStatusError('x', 500, true, '')), 'doubtful')
    assert.equal(faultOf(new CritsStatusError('x', 415, true, '')), 'own')
    assert.equal(faultOf(new CritsError('x', 1, '')), 'own')
  })
})
