import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { SampleError, type SampleErrorCode } from '../src/errors.js'
import { filedata } from '../src/sample-json.js'

const CONTENT = randomBytes(100)
const TEXT = CONTENT.toString('base64')

/** The field's name in a string, nested, as a value and behind an escaped quote. */
const DOCUMENT = `{"_id": "5", "a": "filedata\\": \\"no", "b": {"filedata": "bm8="}, "c": ["filedata"], "d": "filedata", "é\\\\": 1, "filedata" : "${TEXT}", "z": {}}`

describe('filedata', () => {
  it('is the same wherever the JSON is cut in two', async () => {
    const json = Buffer.from(DOCUMENT)
    for (let cut = 0; cut <= json.length; cut += 1) {
      assert.deepEqual(await read([json.subarray(0, cut), json.subarray(cut)]), CONTENT, `cut at ${cut}`)
    }
  })

  it('is the same when the JSON comes byte by byte', async () => {
    assert.deepEqual(await read(Array.from(Buffer.from(DOCUMENT), byte => Buffer.of(byte))), CONTENT)
  })

  it('has any length', async () => {
    for (let length = 1; length < 10; length += 1) {
      const content = randomBytes(length)
      assert.deepEqual(await read([Buffer.from(JSON.stringify({ filedata: content.toString('base64') }))]), content)
    }
  })

  it('may be exactly as large as the limit', async () => {
    assert.equal((await read([Buffer.from(DOCUMENT)], 100)).length, 100)
    await fails('SAMPLE_TOO_LARGE', DOCUMENT, 99)
  })

  it('empty is an error', () => fails('SAMPLE_EMPTY', '{"filedata": ""}'))
  it('missing is an error', () => fails('SAMPLE_UNREADABLE', '{"md5": "x"}'))
  it('null is an error', () => fails('SAMPLE_UNREADABLE', '{"filedata": null, "x": "aaaa"}'))
  it('cut off is an error', () => fails('SAMPLE_UNREADABLE', `{"filedata": "${TEXT}`))
  it('of an impossible length is an error', () => fails('SAMPLE_UNREADABLE', '{"filedata": "aaaaa"}'))
  it('with anything but base64 is an error', () => fails('SAMPLE_UNREADABLE', '{"filedata": "aa\\naaa"}'))
  it('padded in the middle is an error', () => fails('SAMPLE_UNREADABLE', '{"filedata": "aa==aaaa"}'))
  it('holding a GridFS id is an error', () => fails('SAMPLE_ELSEWHERE', '{"filedata": "6b01ecb1686c82120001245a"}'))
})

async function read(chunks: readonly Buffer[], maxBytes = 1000): Promise<Buffer> {
  const content: Buffer[] = []
  for await (const chunk of filedata(stream(chunks), maxBytes)) content.push(chunk)
  return Buffer.concat(content)
}

async function fails(code: SampleErrorCode, json: string, maxBytes?: number): Promise<void> {
  await assert.rejects(
    read([Buffer.from(json)], maxBytes),
    error => error instanceof SampleError && error.code === code,
  )
}

async function* stream(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks
}
