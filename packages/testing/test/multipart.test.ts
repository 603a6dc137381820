import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { multipartBoundary, readMultipart } from '../src/multipart.js'

const BODY = Buffer.concat([
  Buffer.from('preamble\r\n--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\nhello\r\n--X\r\n'),
  Buffer.from('--XX\r\ncontent-disposition: form-data; name="f"; filename="ä;y\\"z.exe"\r\nX-Other: 1\r\n\r\n'),
  Buffer.from([0, 255, 13, 10, 45, 45]),
  Buffer.from('\r\n--XX\r\nContent-Disposition: form-data; name=empty; filename=""\r\n\r\n\r\n--XX--\r\nepilogue'),
])

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(bytes: Buffer, size: number) {
  const parts: { name: string; filename: string | undefined; content: string }[] = []
  for await (const { name, filename, body } of readMultipart(pieces(bytes, size), 'XX')) {
    let content = ''
    for await (const chunk of body) content += chunk.toString('latin1')
    parts.push({ name, filename, content })
  }
  return parts
}

describe('multipart', () => {
  test('parts are the same wherever the body is cut', async () => {
    const expected = [
      { name: 'a', filename: undefined, content: 'hello\r\n--X' },
      { name: 'f', filename: 'ä;y"z.exe', content: '\0\xff\r\n--' },
      { name: 'empty', filename: '', content: '' },
    ]
    for (const size of [1, 2, 3, 5, 7, 11, 64, BODY.length]) assert.deepEqual(await read(BODY, size), expected)
  })

  test('a part that is left early is skipped', async () => {
    const names: string[] = []
    for await (const part of readMultipart(pieces(BODY, 3), 'XX')) {
      names.push(part.name)
      for await (const _chunk of part.body) break
    }
    assert.deepEqual(names, ['a', 'f', 'empty'])
  })

  test('a body cut anywhere before its last boundary is an error', async () => {
    const end = BODY.indexOf('--\r\nepilogue')
    for (let length = 0; length < end; length++) {
      await assert.rejects(read(BODY.subarray(0, length), 16), { code: 'ERR_MULTIPART' }, `cut at ${length}`)
    }
  })

  test('a part without a name is an error', async () => {
    for (const header of ['X: 1\r\n', 'Content-Disposition: attachment; name="a"\r\n', '']) {
      const body = Buffer.from(`--XX\r\n${header}\r\nhello\r\n--XX--`)
      await assert.rejects(read(body, 16), { code: 'ERR_MULTIPART' })
    }
  })

  test('headers above 16 KiB are an error', async () => {
    const body = Buffer.from(`--XX\r\nX: ${'x'.repeat(17_000)}\r\n\r\n\r\n--XX--`)
    await assert.rejects(read(body, 1024), { code: 'ERR_MULTIPART' })
  })

  test('the boundary is taken from the content type', () => {
    assert.equal(multipartBoundary('multipart/form-data; boundary=abc'), 'abc')
    assert.equal(multipartBoundary('Multipart/Form-Data; charset=utf-8; boundary="a b;c"'), 'a b;c')
    assert.equal(multipartBoundary('application/json'), undefined)
    assert.throws(() => multipartBoundary('multipart/form-data'), { code: 'ERR_MULTIPART' })
  })
})
