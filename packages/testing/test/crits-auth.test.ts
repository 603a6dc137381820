import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { CritsStandIn } from '../src/crits/server.js'
import { type Call, exchange, FORM, form, multipart, withCrits } from './crits-http.js'

const SERVICES = '/api/v1/services/'
const HTML = 'text/html; charset=utf-8'

const rules = (crits: CritsStandIn) => crits.violations.map(({ rule }) => rule)

/** A request that reaches the code behind authentication, where it is answered 200 with return_code 1. */
const ASKS = { path: SERVICES, headers: FORM, body: 'object_type=Sample' }

describe('authentication', () => {
  const key = randomBytes(20).toString('hex')
  const source = [{ name: 'Internal' }]
  const users = [
    { name: 'alice', keys: ['0'.repeat(40), key], sources: source },
    { name: 'jürgen meier', keys: [key], sources: source },
    { name: 'inactive', keys: [key], sources: source, active: false },
    { name: 'noapi', keys: [key], sources: source, api: false },
  ]
  const status = async (crits: CritsStandIn, call: Call) => (await exchange(crits.url, { ...ASKS, ...call })).status
  const header = (value: string) => ({ headers: { ...FORM, authorization: Buffer.from(value).toString('latin1') } })

  test('takes any key of an active user with the API right', () =>
    withCrits(
      async crits => {
        for (const value of [`ApiKey alice:${key}`, `apikey alice:${key}`, `APIKEY jürgen meier:${key}`]) {
          assert.equal(await status(crits, header(value)), 200, value)
        }
      },
      { users },
    ))

  test('fails with an empty 401 of HTML type', () =>
    withCrits(
      async crits => {
        const wrong = ['alice:nope', `nobody:${key}`, `inactive:${key}`, `noapi:${key}`, 'alice', ` alice:${key}`]
        for (const value of wrong.map(text => `ApiKey ${text}`)) {
          const { status, text, headers } = await exchange(crits.url, { ...ASKS, ...header(value) })
          assert.deepEqual([status, text, headers['content-type']], [401, '', HTML], value)
        }
        assert.equal(await status(crits, {}), 401)
      },
      { users },
    ))

  test('takes form fields of a POST, unless a header with the scheme ApiKey is there', () =>
    withCrits(
      async crits => {
        const body = form({ username: 'alice', api_key: key, object_type: 'Sample' })
        assert.equal(await status(crits, { body }), 200)
        assert.equal(await status(crits, { body, ...header('Bearer x') }), 200)
        assert.equal(await status(crits, { body, ...header('ApiKey alice:nope') }), 401)
        const { headers, body: parts } = multipart({ username: 'alice', api_key: key })
        assert.equal(await status(crits, { headers, body: parts }), 200)
        const json = JSON.stringify({ username: 'alice', api_key: key })
        assert.equal(await status(crits, { headers: { 'content-type': 'application/json' }, body: json }), 401)
        assert.deepEqual(rules(crits), [])
      },
      { users },
    ))

  test('takes no form fields of a PATCH', () =>
    withCrits(
      async crits => {
        const { id } = crits.addSample({ bytes: Buffer.from('MZ') })
        const call = { method: 'PATCH', path: `/api/v1/samples/${id}/`, headers: FORM }
        const fields = { username: 'alice', api_key: key, action: 'x' }
        assert.equal(await status(crits, { ...call, body: form(fields) }), 401)
        assert.equal(await status(crits, { ...call, ...header(`ApiKey alice:${key}`), body: form(fields) }), 200)
      },
      { users },
    ))

  test('takes the query string, which is a breach', () =>
    withCrits(
      async crits => {
        assert.equal(await status(crits, { path: `${SERVICES}?username=alice&api_key=${key}` }), 200)
        assert.deepEqual(rules(crits), ['key-in-query'])
        assert.equal(JSON.stringify([crits.violations, crits.journal]).includes(key), false)
      },
      { users },
    ))
})
