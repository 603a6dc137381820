import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { InvalidMessageError } from '@cuckoo-distributed/core'
import { decodeSubmission } from '../src/submission.js'

const crits = {
  analysis_id: '2f1c4a52-6f0e-4a53-9a3e-0d6a3c9a7b11',
  object_type: 'Sample',
  object_id: '56686f0e1d41c8731f5e8a01',
  username: 'alice',
  api_key: 'f00ba4',
  md5: '9e107d9d372bb6826bd81d3542a419d6',
  source: 'Internal',
}
const content = Buffer.from('MZ a sample with "quotes"\n')
const data = content.toString('base64')

function message(change: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ payload: {}, file: { name: 'a.exe', data }, crits_data: crits, ...change }))
}

function withData(text: string): Buffer {
  return message({ file: { name: 'a.exe', data: text } })
}

async function bytesOf(body: Buffer): Promise<Buffer> {
  const sample = await decodeSubmission(body).sample?.()
  assert.ok(sample)
  const chunks: Buffer[] = []
  for await (const chunk of sample.open()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function problem(body: Buffer): Promise<{ field: string; text: string }> {
  try {
    await decodeSubmission(body).sample?.()
  } catch (error: unknown) {
    assert.ok(error instanceof InvalidMessageError, String(error))
    return { field: error.field, text: error.message }
  }
  return assert.fail('the message was accepted')
}

test('a message as CRITs writes it gives sample, name and credentials', async () => {
  const submission = decodeSubmission(message())
  assert.equal(submission.fileName, 'a.exe')
  assert.equal(submission.custom, crits.analysis_id)
  assert.equal(submission.crits.apiKey, 'f00ba4')
  const sample = await submission.sample?.()
  assert.equal(sample?.size, content.length)
  assert.deepEqual(await bytesOf(message()), content)
})

test('a sample has its MD5, whether the message names one or not', async () => {
  for (const named of [crits.md5, '', null]) {
    const sample = await decodeSubmission(message({ crits_data: { ...crits, md5: named } })).sample?.()
    assert.equal(await sample?.md5(), createHash('md5').update(content).digest('hex'))
  }
})

test('a sample of any length comes out as it went in, as often as it is opened', async () => {
  for (const length of [1, 2, 3, 92_159, 92_160, 92_161, 400_000]) {
    const bytes = randomBytes(length)
    const body = withData(bytes.toString('base64'))
    const sample = await decodeSubmission(body).sample?.()
    assert.equal(sample?.size, length)
    assert.deepEqual(await bytesOf(body), bytes)
    assert.deepEqual(await bytesOf(body), bytes)
  }
})

test('decoding leaves the body as it was', async () => {
  const body = message()
  const before = Buffer.from(body)
  await decodeSubmission(body).sample?.()
  assert.deepEqual(body, before)
})

const spellings: Record<string, string> = {
  'in another order': `{"crits_data":C,"file":{"data":"D","name":"n"},"payload":{}}`,
  'with white space': ` { "payload" : { } , "crits_data":C,"file" :\n{ "name":"n" , "data"\t: "D" } } `,
  'with escaped keys': `{"crits_data":C,"f\\u0069le":{"name":"n","d\\u0061ta":"D"}}`,
  'with decoys around it': `{"data":"X","crits_data":C,"file":{"x":{"data":"X"},"y":["data","X"],"name":"\\"data\\":","data":"D"},"z":{"file":{"data":"X"}}}`,
  'repeated, the last one valid': `{"crits_data":C,"file":{"name":"n","data":"X","data":"D"}}`,
  'repeated with its parent': `{"crits_data":C,"file":{"name":"n","data":"X"},"file":{"name":"n","data":"D"}}`,
}
for (const [how, json] of Object.entries(spellings)) {
  test(`file.data is found ${how}`, async () => {
    const body = Buffer.from(json.replace('C', JSON.stringify(crits)).replaceAll('"D"', `"${data}"`))
    assert.deepEqual(await bytesOf(body), content)
  })
}

test('escaped slashes and line breaks in the base64 are understood', async () => {
  const bytes = Buffer.alloc(90, 0xff)
  const text = bytes.toString('base64')
  const json = message({ file: { name: 'n', data: 'HERE' } }).toString()
  assert.deepEqual(await bytesOf(Buffer.from(json.replace('HERE', text.replaceAll('/', '\\/')))), bytes)
  assert.deepEqual(await bytesOf(Buffer.from(json.replace('HERE', text.replace(/.{76}/, '$&\\r\\n')))), bytes)
})

test('a message cut at any byte is refused as not being JSON', async () => {
  const body = message()
  for (let end = 1; end < body.length; end += 1) {
    assert.equal((await problem(body.subarray(0, end))).field, 'body', `cut at ${end}`)
  }
})

test('base64 with any one character damaged is refused', async () => {
  const body = message()
  const start = body.indexOf(data)
  for (let at = start; at < start + data.length; at += 1) {
    for (const byte of [0x2a, 0x2d, 0x5f, 0x20, 0xe9, 0x3d]) {
      const damaged = Buffer.from(body)
      damaged[at] = byte
      // In the last two places "=" is padding, of a shorter file.
      if (damaged.equals(body) || (byte === 0x3d && at >= start + data.length - 2)) continue
      const { field, text } = await problem(damaged)
      assert.equal(field, 'file.data', text)
    }
  }
})

const wrongBase64: Record<string, string> = {
  'without padding': 'TVo',
  'with padding in the middle': 'TQ==TQ==',
  'with too much padding': 'T===',
  'of padding only': '====',
  'with the alphabet of URLs': 'TV-_',
  'with a space': 'TV o',
  'with a character beyond Latin-1': 'TV\u0141o',
}
for (const [how, text] of Object.entries(wrongBase64)) {
  test(`base64 ${how} is refused`, async () => {
    const { field, text: shown } = await problem(withData(text))
    assert.equal(field, 'file.data')
    assert.match(shown, /is not base64/)
    assert.ok(!shown.includes(text))
  })
}

test('an empty file is refused', async () => {
  assert.deepEqual((await problem(withData(''))).field, 'file.data')
})

test('a message without file.data, or with null, leaves the sample in CRITs', () => {
  assert.equal(decodeSubmission(message({ file: { name: 'n' } })).sample, undefined)
  assert.equal(decodeSubmission(message({ file: { name: 'n', data: null } })).sample, undefined)
})

test('options may be texts, numbers and booleans', () => {
  const payload = { package: 'exe', timeout: 60, memory: true, tags: '' }
  const { options } = decodeSubmission(message({ payload }))
  assert.deepEqual(options, { package: 'exe', timeout: '60', memory: 'true', tags: '' })
})

test("the payload's own custom is used, unless it is empty", () => {
  const own = decodeSubmission(message({ payload: { custom: 'mine' } }))
  assert.deepEqual([own.custom, own.options], ['mine', {}])
  const empty = decodeSubmission(message({ payload: { custom: '' } }))
  assert.deepEqual([empty.custom, empty.options], [crits.analysis_id, {}])
})

test('null is absent, as for the decoder of the Go suite', () => {
  assert.deepEqual(decodeSubmission(message({ payload: null })).options, {})
  const { options, custom } = decodeSubmission(message({ payload: { timeout: null, custom: null, package: 'exe' } }))
  assert.deepEqual([options, custom], [{ package: 'exe' }, crits.analysis_id])
  assert.equal(decodeSubmission(message({ file: { name: null, data } })).fileName, '')
  assert.equal(decodeSubmission(message({ file: { data } })).fileName, '')
})

test('a custom of 255 printable characters is taken; a name of an option has at most 64', () => {
  const custom = ` ~${'x'.repeat(253)}`
  assert.equal(decodeSubmission(message({ payload: { custom } })).custom, custom)
  assert.equal(decodeSubmission(message({ crits_data: { ...crits, analysis_id: custom } })).custom, custom)
  const name = 'a_B-9.'.padEnd(64, 'x')
  assert.deepEqual(decodeSubmission(message({ payload: { [name]: false } })).options, { [name]: 'false' })
})

test('a message without payload has no options', () => {
  assert.deepEqual(decodeSubmission(message({ payload: undefined })).options, {})
})

const wrongMessages: readonly (readonly [field: string, change: object])[] = [
  ['payload', { payload: [] }],
  ['payload.options', { payload: { options: { a: 1 } } }],
  ['payload.file', { payload: { file: 'x' } }],
  ['payload.a"; b', { payload: { 'a"; b': 'x' } }],
  [`payload.${'x'.repeat(65)}`, { payload: { ['x'.repeat(65)]: '' } }],
  ['payload.', { payload: { '': 'x' } }],
  ['payload.custom', { payload: { custom: 'ü' } }],
  ['payload.custom', { payload: { custom: 'a\nb' } }],
  ['payload.custom', { payload: { custom: '\x7f' } }],
  ['crits_data.analysis_id', { crits_data: { ...crits, analysis_id: 'x'.repeat(256) } }],
  ['payload.custom', { payload: { custom: 'x'.repeat(256) } }],
  ['file', { file: undefined }],
  ['file', { file: 'x' }],
  ['file.name', { file: { name: ['n'], data } }],
  ['file.data', { file: { name: 'n', data: 17 } }],
  ['file.data', { file: { name: 'n', data: [data] } }],
  ['crits_data', { crits_data: undefined }],
  ['crits_data.analysis_id', { crits_data: { ...crits, analysis_id: undefined } }],
  ['crits_data.analysis_id', { crits_data: { ...crits, analysis_id: 'ü' } }],
  ['crits_data.object_id', { crits_data: { ...crits, object_id: '' } }],
  ['crits_data.api_key', { crits_data: { ...crits, api_key: 17 } }],
]
for (const [field, change] of wrongMessages) {
  test(`${JSON.stringify(change).slice(0, 60)} is refused, naming ${field}`, async () => {
    assert.equal((await problem(message(change))).field, field)
  })
}

test('bytes that are not UTF-8 are refused', async () => {
  const body = message({ file: { name: '?', data } })
  body[body.indexOf('?')] = 0xe9
  assert.equal((await problem(body)).field, 'body')
})

test('an empty body and a body of another kind are refused', async () => {
  for (const text of ['', ' ', '[]', 'null', '"x"', '17'])
    assert.equal((await problem(Buffer.from(text))).field, 'body')
})
