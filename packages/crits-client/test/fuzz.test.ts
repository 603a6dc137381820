// Whatever CRITs answers, and whatever malware calls its files: known errors, whole samples, names that are only names.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HttpError } from '@cuckoo-distributed/http'
import { type Damage, damagedJson, fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { uploadName } from '../src/file-name.js'
import {
  CritsAuthError,
  type CritsClient,
  CritsError,
  CritsStatusError,
  CritsUrlError,
  SampleError,
} from '../src/index.js'
import { filedata } from '../src/sample-json.js'
import { type StubAnswer, startStub, TARGET } from './stub.js'

const { signal } = new AbortController()
const KNOWN = [HttpError, CritsError, CritsAuthError, CritsStatusError, CritsUrlError, SampleError]

const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 2 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
  cut: fc.option(fc.nat(), { freq: 3 }),
})
/** With the key in it, as CRITs in its debug mode answers. */
const spoken = fc.constantFrom(
  '',
  TARGET.apiKey,
  `<pre>key=${TARGET.apiKey}\r\nAuthorization: x</pre>`,
  '\u0000\u001b[2J',
)
const answer: fc.Arbitrary<StubAnswer> = fc
  .record({
    status: fc.oneof(
      { weight: 4, arbitrary: fc.constant(200) },
      fc.constantFrom(201, 302, 400, 401, 403, 404, 413, 500, 502),
    ),
    type: fc.constantFrom('application/json', 'application/json; charset=utf-8', 'text/html'),
    code: fc.constantFrom(0, 1, 2),
    message: spoken,
    damage,
  })
  .map(({ status, type, code, message, damage: done }) => {
    const genuine = {
      return_code: code,
      message,
      id: '56686f0e1d41c8731f5e8a02',
      type: 'Sample',
      error_message: message,
    }
    return { status, headers: { 'content-type': type }, body: damagedJson(genuine, done) }
  })

const file = { name: 'a', md5: 'd41d8cd98f00b204e9800998ecf8427e', size: 1, open: () => oneByte() }
const nothing = [Buffer.from('[]')]
const CALLS: Readonly<Record<string, (client: CritsClient) => Promise<unknown>>> = {
  log: client => client.log('info', 'x', signal),
  addResults: client =>
    client.addResults({ from: 0, to: 1, results: nothing, types: nothing, subtypes: nothing }, signal),
  finish: client => client.finish('completed', signal),
  addSample: client => client.addSample(file, 'Internal', signal),
  forgeRelationship: client => client.forgeRelationship('56686f0e1d41c8731f5e8a02', 'Dropped', signal),
  findSample: client => client.findSample(file.md5, signal),
}

async function* oneByte() {
  yield Buffer.from('M')
}

async function allOf(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of chunks) all.push(Buffer.from(chunk))
  return Buffer.concat(all)
}

for (const [name, call] of Object.entries(CALLS)) {
  test(`${name}: any answer is a result or an error that is known, short, on one line and without the API key`, async t => {
    let next: StubAnswer = {}
    const { client } = await startStub(t, () => next)
    const property = fc.asyncProperty(answer, async told => {
      next = told
      try {
        const result = await call(client)
        assert.ok(!JSON.stringify(result ?? '').includes(TARGET.apiKey))
      } catch (error: unknown) {
        assert.ok(error instanceof Error && KNOWN.some(known => error instanceof known), String(error))
        assert.ok(error.message.length < 1000 && !/\p{Cc}/u.test(error.message), error.message)
        for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
          assert.ok(!cause.message.includes(TARGET.apiKey), cause.message)
        }
      }
    })
    await fc.assert(property, fuzzing(t, 40))
  })
}

/** The sample as the whole document tells it, or undefined. */
function sampleIn(document: Buffer): Buffer | undefined {
  try {
    const { filedata: text } = JSON.parse(document.toString())
    return Buffer.from(String(text), 'base64')
  } catch {
    return undefined
  }
}

test('a sample that is read from any document, in any pieces, is that of the document', async t => {
  const document = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 60 }), damage).map(([bytes, done]) => {
    const genuine = {
      analysis: [{ filedata: 'bmVzdGVk', log: '{"filedata": "bm8="}' }],
      filedata: Buffer.from(bytes).toString('base64'),
      filename: 'a"b\\',
    }
    return damagedJson(genuine, done)
  })
  const property = fc.asyncProperty(document, fc.array(fc.nat(), { maxLength: 4 }), async (whole, at) => {
    const cuts = at.map(cut => cut % (whole.length + 1)).sort((a, b) => a - b)
    const pieces = async function* () {
      for (const [index, cut] of [...cuts, whole.length].entries()) yield whole.subarray(cuts[index - 1] ?? 0, cut)
    }
    let read: Buffer
    try {
      read = await allOf(filedata(pieces(), 1000))
    } catch (error: unknown) {
      assert.ok(error instanceof SampleError)
      return
    }
    const expected = sampleIn(whole)
    if (expected !== undefined) assert.deepEqual(read, expected)
  })
  await fc.assert(property, fuzzing(t, 300))
})

test('a name to upload under is never empty, a path, a control character or more than 200 bytes', t => {
  const part = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('../', '\\', '"', ';', '&amp;', '\r\n', '\ud83d', 'é'.repeat(90)),
  )
  const property = fc.property(
    fc.array(part).map(parts => parts.join('')),
    name => {
      const safe = uploadName(name, 'fallback')
      assert.ok(safe.length > 0 && Buffer.byteLength(safe) <= 200 && safe === safe.toWellFormed())
      assert.doesNotMatch(safe, /[/\\"&;\p{Cc}]/u)
    },
  )
  fc.assert(property, fuzzing(t, 300))
})
