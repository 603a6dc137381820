// What CRITs, or anybody, puts into the first queue: read as JSON.parse reads it, or refused without a word of its content.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidMessageError } from '@cuckoo-distributed/core'
import { type Damage, damagedJson, fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { decodeSubmission, type Submission } from '../src/submission.js'

const API_KEY = 'f00ba4c0ffee'
const SAMPLE = 'TVogYSBzYW1wbGU='
const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 3 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
  cut: fc.option(fc.nat(), { freq: 3 }),
})
const data = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map(array => Buffer.from(array).toString('base64')),
  fc.constantFrom(SAMPLE, null, '', 'a"b', 'TVo\\=', 'TVo\n=', '-_-_', 'T'),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const name = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('data', '"data": "x"', '../a', '\\'))
const key = fc.oneof(
  fc.constantFrom('package', 'custom', 'file', '__proto__', 'data', 'a b'),
  fc.string({ maxLength: 5 }),
)
const payload = fc.dictionary(key, fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.jsonValue()), { maxKeys: 3 })

const message = fc
  .tuple(data, name, payload, damage, fc.boolean())
  .map(([content, file, options, done, isFileFirst]) => {
    const crits_data = {
      analysis_id: 'a-1',
      object_type: 'Sample',
      object_id: 'o-1',
      username: 'alice',
      api_key: API_KEY,
      md5: '9e107d9d372bb6826bd81d3542a419d6',
      source: 'Internal',
    }
    const parts = isFileFirst
      ? { file: { data: content, name: file }, payload: options }
      : { payload: options, file: { name: file, data: content } }
    return damagedJson({ ...parts, crits_data }, done)
  })
const stray = fc.uint8Array({ maxLength: 200 }).map(array => Buffer.from(array))

async function read(body: Buffer): Promise<{ submission: Submission; bytes: Buffer | undefined } | string> {
  try {
    const submission = decodeSubmission(body)
    const sample = await submission.sample?.()
    if (!sample) return { submission, bytes: undefined }
    const chunks: Buffer[] = []
    for await (const chunk of sample.open()) chunks.push(chunk)
    return { submission, bytes: Buffer.concat(chunks) }
  } catch (error: unknown) {
    assert.ok(error instanceof InvalidMessageError, String(error))
    return error.message
  }
}

test('any message is read as JSON.parse reads it, or refused without a word of its content', async t => {
  const property = fc.asyncProperty(fc.oneof({ weight: 6, arbitrary: message }, stray), async body => {
    const before = Buffer.from(body)
    const result = await read(body)
    assert.deepEqual(body, before)
    if (typeof result === 'string') {
      assert.ok(!result.includes(API_KEY) && !result.includes(SAMPLE), result)
      return
    }
    const wire = JSON.parse(body.toString())
    const { submission, bytes } = result
    assert.equal(submission.fileName, wire.file.name)
    assert.equal(submission.crits.apiKey, wire.crits_data.api_key)
    const text: unknown = wire.file.data ?? undefined
    assert.deepEqual(bytes, typeof text === 'string' ? Buffer.from(text, 'base64') : undefined)
    assert.match(submission.custom, /^[\x20-\x7e]{1,255}$/)
    for (const option of Object.keys(submission.options)) assert.match(option, /^[\w.-]{1,64}$/)
  })
  await fc.assert(property, fuzzing(t, 500))
})
