import assert from 'node:assert/strict'
import { request } from 'node:http'
import { describe, test } from 'node:test'
import type { CritsStandIn } from '../src/crits/server.js'
import { credentials, exchange, FORM, form, multipart, withCrits } from './crits-http.js'

const SERVICES = '/api/v1/services/'
const HTML = 'text/html; charset=utf-8'
const LIMIT = 2_621_440

const rules = (crits: CritsStandIn) => crits.violations.map(({ rule }) => rule)

/** A request that reaches the code behind authentication, where it is answered 200 with return_code 1. */
const ASKS = { path: SERVICES, headers: FORM, body: 'object_type=Sample' }

describe('a body', () => {
  const call = async (crits: CritsStandIn, headers: Record<string, string>, body: string | Buffer) => {
    const { status, text } = await exchange(crits.url, {
      path: SERVICES,
      headers: { ...credentials(crits), ...headers },
      body,
    })
    return [status, text]
  }
  const sorry = '{"error_message": "Sorry, this request could not be processed. Please try again later."}'

  for (const [profile, expected] of [
    ['2015', 500],
    ['stable', 400],
    ['master', 415],
  ] as const) {
    test(`of an unknown type is ${expected} in ${profile}, a charset after the form type is enough`, () =>
      withCrits(
        async crits => {
          for (const type of ['application/x-www-form-urlencoded; charset=UTF-8', 'text/plain', '']) {
            assert.deepEqual(await call(crits, { 'content-type': type }, 'object_type=Sample'), [expected, sorry])
          }
        },
        { profile },
      ))
  }

  test('of an unknown type is named in debug mode', () =>
    withCrits(
      async crits => assert.match(String((await call(crits, { 'content-type': 'text/x' }, 'a=b'))[1]), /'text\/x'/),
      { debug: true },
    ))

  test('with bad JSON is a bad request', async () => {
    const json = { 'content-type': 'application/json' }
    const answer = '{"error": "Request is not valid JSON."}'
    await withCrits(async crits => assert.deepEqual(await call(crits, json, '{nope'), [400, answer]))
    await withCrits(async crits => assert.deepEqual(await call(crits, json, '{nope'), [400, '{"error": ""}']), {
      profile: '2015',
    })
  })

  test('that is chunked or empty is 500, also without credentials', () =>
    withCrits(async crits => {
      assert.deepEqual(await call(crits, { ...FORM, 'transfer-encoding': 'chunked' }, 'object_type=Sample'), [
        500,
        sorry,
      ])
      assert.deepEqual(await call(crits, FORM, ''), [500, sorry])
      assert.equal((await exchange(crits.url, { path: SERVICES, headers: FORM })).status, 500)
    }))

  test('of a GET is 500', () =>
    withCrits(async crits => {
      const { id } = crits.addSample({ bytes: Buffer.from('MZ') })
      const headers = { ...credentials(crits), ...FORM }
      const { status } = await exchange(crits.url, {
        method: 'GET',
        path: `/api/v1/samples/${id}/`,
        headers,
        body: 'a=b',
      })
      assert.equal(status, 500)
    }))

  test('may have 2,621,440 bytes and not one more on master', () =>
    withCrits(async crits => {
      const body = (size: number) => `x=${'y'.repeat(size - 2)}`
      assert.equal((await call(crits, FORM, body(LIMIT)))[0], 200)
      assert.deepEqual(await call(crits, FORM, body(LIMIT + 1)), [500, sorry])
    }))

  test('may be larger on stable', () =>
    withCrits(async crits => assert.equal((await call(crits, FORM, `x=${'y'.repeat(LIMIT)}`))[0], 200), {
      profile: 'stable',
    }))

  test('that is malformed multipart is 500', () =>
    withCrits(async crits => {
      const { headers, body } = multipart({ object_type: 'Sample' })
      assert.deepEqual(await call(crits, headers, body.subarray(0, -6)), [500, sorry])
      assert.deepEqual(await call(crits, { 'content-type': 'multipart/form-data' }, body), [500, sorry])
    }))

  test('above the limit of a proxy is 413 while it is still being sent', () =>
    withCrits(
      async crits => {
        const sent = request(`${crits.url}${SERVICES}`, {
          method: 'POST',
          agent: false,
          headers: { ...FORM, 'content-length': 10_000_000 },
        })
        const status = new Promise<number | undefined>((resolve, reject) => {
          sent.on('response', response => resolve(response.statusCode))
          sent.on('error', reject)
        })
        sent.write('x='.padEnd(1000, 'y'))
        assert.equal(await status, 413)
        sent.destroy()
      },
      { proxyBodyLimit: 1_000_000 },
    ))

  test('has the last value of a repeated field, and is split at semicolons too', () =>
    withCrits(async crits => {
      const { id } = crits.addSample({ bytes: Buffer.from('MZ') })
      const analysis = crits.startAnalysis({ objectId: id })
      const ids = form({ object_type: 'Sample', object_id: id, analysis_id: analysis.id })
      await call(crits, FORM, `${ids};log_message=one&log_message=t%77o+3`)
      assert.deepEqual(
        analysis.log.map(({ message }) => message),
        ['two 3'],
      )
    }))
})

describe('a path', () => {
  const get = async (crits: CritsStandIn, method: string, path: string) => {
    const body = method === 'GET' ? {} : { body: 'a=b', headers: FORM }
    const { status, headers } = await exchange(crits.url, { method, path, ...body })
    return [status, headers.location ?? headers['content-type']]
  }

  test('without its last slash is never served', async () => {
    await withCrits(async crits => {
      for (const method of ['GET', 'POST', 'PATCH']) {
        assert.deepEqual(await get(crits, method, '/api/v1/services?a=b'), [301, '/api/v1/services/?a=b'])
      }
    })
    await withCrits(
      async crits => {
        for (const method of ['POST', 'PATCH'])
          assert.deepEqual(await get(crits, method, '/api/v1/services'), [500, HTML])
      },
      { debug: true },
    )
    await withCrits(
      async crits => {
        assert.deepEqual(await get(crits, 'POST', '/api/v1/services'), [500, HTML])
        assert.deepEqual(await get(crits, 'PATCH', '/api/v1/samples/a'), [301, '/api/v1/samples/a/'])
      },
      { debug: true, profile: '2015' },
    )
  })

  test('that is unknown is a 200 of HTML, and 404 in debug mode', async () => {
    for (const path of ['/nowhere/', '/api/v2/services/', '/crits/api/v1/services/']) {
      await withCrits(async crits => assert.deepEqual(await get(crits, 'POST', path), [200, HTML]))
      await withCrits(async crits => assert.deepEqual(await get(crits, 'POST', path), [404, HTML]), { debug: true })
    }
  })

  test('outside the API wants a CSRF token or a session', () =>
    withCrits(async crits => {
      assert.deepEqual(await get(crits, 'POST', '/'), [403, HTML])
      assert.deepEqual(await get(crits, 'GET', '/'), [302, '/login/?next=%2F'])
    }))

  test('of http is redirected to https where the site wants it', () =>
    withCrits(
      async crits => {
        const location = `${crits.url.replace('http:', 'https:')}${SERVICES}`
        assert.deepEqual(await get(crits, 'POST', SERVICES), [301, location])
      },
      { httpsRedirect: true },
    ))

  test('says which methods it has before it asks for credentials', () =>
    withCrits(async crits => {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
        const body = method === 'GET' ? {} : { body: 'a=b' }
        const { status, text, headers } = await exchange(crits.url, { method, path: SERVICES, ...body })
        assert.deepEqual([status, text, headers['content-type'], headers.allow], [405, 'POST', HTML, 'POST'])
      }
      const { status, text } = await exchange(crits.url, { method: 'DELETE', path: '/api/v1/samples/a/' })
      assert.deepEqual([status, text], [405, 'GET,POST,PATCH'])
    }))

  test('that lists samples, and an overridden method, are breaches', () =>
    withCrits(async crits => {
      const headers = credentials(crits)
      await exchange(crits.url, { method: 'GET', path: '/api/v1/samples/', headers })
      await exchange(crits.url, { ...ASKS, headers: { ...FORM, 'x-http-method-override': 'PATCH' } })
      assert.deepEqual(rules(crits), ['list-of-samples', 'method-override'])
    }))
})

test('the journal holds names, sizes and answers, and no values', () =>
  withCrits(async crits => {
    const headers = credentials(crits)
    const { headers: type, body } = multipart(
      { upload_type: 'file', source: 'Internal', description: 'd' },
      { filename: 'a', bytes: Buffer.from('MZ') },
    )
    await exchange(crits.url, { path: '/api/v1/samples/', headers: { ...headers, ...type }, body })
    const [entry] = crits.journal
    assert.deepEqual(
      { ...entry, headerNames: entry?.headerNames.includes('authorization') },
      {
        method: 'POST',
        path: '/api/v1/samples/',
        contentType: type['content-type'],
        headerNames: true,
        queryNames: [],
        fields: [
          { name: 'upload_type', size: 4 },
          { name: 'source', size: 8 },
          { name: 'description', size: 1 },
          { name: 'filedata', size: 2 },
        ],
        status: 200,
        returnCode: 0,
      },
    )
    assert.equal(JSON.stringify(crits.journal).includes(crits.users[0]?.keys[0] ?? ''), false)
  }))
