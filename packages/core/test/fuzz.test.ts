// Whatever arrives as body and headers: it is understood or refused with a name for the problem, and never changed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { failedPublish } from '../src/broker/failed.js'
import { decodeFailedMessage, decodeTask, InvalidMessageError, readHeaders, writeHeaders } from '../src/index.js'

const bytes = fc.uint8Array({ maxLength: 400 }).map(array => Buffer.from(array))
const awkward = fc.constantFrom(
  '',
  '\u0000',
  '\ufeff',
  '"',
  '\\',
  '\u2028',
  '../../etc/passwd',
  '\ud83d\ude00',
  '__proto__',
)
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 30 }), awkward)
const value = fc.oneof(fc.jsonValue(), text, fc.integer(), fc.double({ noNaN: true }), fc.constant(null))

const crits = fc.record(
  {
    crits_url: value,
    analysis_id: value,
    object_type: value,
    object_id: value,
    username: value,
    api_key: value,
    md5: value,
    source: value,
  },
  { requiredKeys: [] },
)
const nearTask = fc.record({ TaskId: value, CuckooURL: value, CritsData: fc.oneof(crits, value) }, { requiredKeys: [] })
const nearFailed = fc.record(
  { Service: value, Queue: value, Error: value, Desc: value, Msg: value, FailedAt: value },
  { requiredKeys: [] },
)
const json = fc.oneof(nearTask, nearFailed, fc.jsonValue()).map(object => Buffer.from(JSON.stringify(object)))
/** Cut or with one byte changed. */
const damaged = fc.tuple(json, fc.nat(), fc.nat(255), fc.boolean()).map(([whole, at, byte, isCut]) => {
  if (whole.length === 0 || isCut) return whole.subarray(0, at % (whole.length + 1))
  const copy = Buffer.from(whole)
  copy[at % copy.length] = byte
  return copy
})
const body = fc.oneof(bytes, json, damaged)

const headerValue = fc.oneof(value, bytes, fc.array(value), fc.constant(undefined))
const NAMES =
  'x-attempts x-failures x-visited x-progress x-seen x-since x-stored-bytes x-permanent x-due traceparent x-failed-queue x-failed-at x-death'
const headers = fc.dictionary(
  fc.constantFrom(...NAMES.split(' ')),
  fc.oneof(
    headerValue,
    headerValue.map(inner => JSON.stringify(inner) ?? ''),
  ),
)

for (const decode of [decodeTask, decodeFailedMessage]) {
  test(`${decode.name}: any body is decoded, or refused as an invalid message`, t => {
    const property = fc.property(body, input => {
      const before = Buffer.from(input)
      try {
        decode(input)
      } catch (error: unknown) {
        assert.ok(error instanceof InvalidMessageError)
      }
      assert.deepEqual(input, before)
    })
    fc.assert(property, fuzzing(t, 300))
  })
}

test('any headers are read, and what is written of them is read as the same', t => {
  const property = fc.property(headers, input => {
    const headers = readHeaders(input)
    const written = writeHeaders(headers)
    assert.deepEqual(writeHeaders(readHeaders(written)), written)
  })
  fc.assert(property, fuzzing(t, 300))
})

test('whatever body failed, with whatever headers, is got back byte for byte', t => {
  const property = fc.property(
    body,
    headers,
    text,
    fc.integer({ min: 1, max: 2000 }),
    (input, table, problem, limit) => {
      const delivery = { queue: 'q', body: input, redelivered: false, mayBeRepeat: false, headers: readHeaders(table) }
      const options = { service: 's', maxMessageSize: limit }
      const published = failedPublish(delivery, new Error(problem), options)
      const fields = readHeaders(published.headers).failed
      const back = fields === undefined ? decodeFailedMessage(published.body).body : published.body
      assert.deepEqual(back, input)
      assert.ok(Buffer.byteLength(JSON.stringify(published.headers)) < 48 * 1024, 'far under 64 KiB')
    },
  )
  fc.assert(property, fuzzing(t, 300))
})

test('what is said about a body that is refused holds none of its values', t => {
  const key = fc.stringMatching(/^k3y[a-z0-9]{8,20}$/)
  const secret = fc.oneof(key, fc.integer({ min: 1_000_000_000 }), fc.array(key, { minLength: 1, maxLength: 1 }))
  const names = ['crits_url', 'analysis_id', 'object_type', 'object_id', 'username', 'api_key', 'md5', 'source']
  const property = fc.property(secret, fc.nat(1000), (api_key, cut) => {
    const filled = Object.fromEntries(names.map(name => [name, 'x']))
    const text = JSON.stringify({ TaskId: 0, CuckooURL: 'u', CritsData: { ...filled, api_key } })
    for (const body of [text.replace('"TaskId":0', '"TaskId":1'), text, text.slice(0, -1 - (cut % text.length))]) {
      const problem = refusal(body)
      assert.ok(problem === undefined || !problem.includes(String(api_key)), problem)
    }
  })
  fc.assert(property, fuzzing(t, 300))
})

function refusal(body: string): string | undefined {
  try {
    decodeTask(Buffer.from(body))
  } catch (error: unknown) {
    assert.ok(error instanceof InvalidMessageError)
    return error.message
  }
  return undefined
}
