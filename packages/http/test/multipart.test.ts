import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HttpClient, multipartUpload, type Upload, type UploadFile, UploadSizeError } from '../src/index.js'
import { bodyOf, clientFor, serve } from './server.js'

const { signal } = new AbortController()

function file(content: string, overrides: Partial<UploadFile> = {}): UploadFile {
  return {
    field: 'file',
    filename: 'a.exe',
    size: content.length,
    async *open() {
      for (const character of content) yield Buffer.from(character)
    },
    ...overrides,
  }
}

async function bytesOf(upload: Upload): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of upload.open()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function dispositionOf(filename: string): Promise<string> {
  const text = (await bytesOf(multipartUpload({ fields: {}, file: file('x', { filename }) }))).toString()
  return /Content-Disposition: (.*)\r\n/.exec(text)?.[1] ?? ''
}

describe('the body of an upload', () => {
  test('holds the fields, then the file, and is as long as it says', async () => {
    const upload = multipartUpload({ fields: { custom: 'c-1', empty: '' }, file: file('MZ-bytes') })
    const boundary = upload.contentType.replace('multipart/form-data; boundary=', '')
    const body = await bytesOf(upload)
    assert.equal(
      body.toString(),
      [
        `--${boundary}\r\nContent-Disposition: form-data; name="custom"\r\n\r\nc-1\r\n`,
        `--${boundary}\r\nContent-Disposition: form-data; name="empty"\r\n\r\n\r\n`,
        `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.exe"\r\n`,
        `Content-Type: application/octet-stream\r\n\r\nMZ-bytes\r\n--${boundary}--\r\n`,
      ].join(''),
    )
    assert.equal(upload.contentLength, body.length)
  })

  test('is the same each time it is opened', async () => {
    const upload = multipartUpload({ fields: { a: 'ä' }, file: file('content') })
    assert.deepEqual(await bytesOf(upload), await bytesOf(upload))
  })

  test('may hold an empty file', async () => {
    const upload = multipartUpload({ fields: {}, file: file('') })
    assert.equal((await bytesOf(upload)).length, upload.contentLength)
  })

  for (const [name, sent] of [
    ['näme ü.exe', 'filename="näme ü.exe"'],
    ['q"uote.exe', 'filename="q%22uote.exe"'],
    ['a\r\nX-Evil: 1\0.exe', 'filename="a__X-Evil: 1_.exe"'],
    ['..\\..\\evil.exe', 'filename="evil.exe"'],
    ['/etc/passwd', 'filename="passwd"'],
    ['ends with\\', 'filename="unnamed"'],
    ['', 'filename="unnamed"'],
    ['..', 'filename="unnamed"'],
    [' ', 'filename="unnamed"'],
  ] as const) {
    test(`the file name ${JSON.stringify(name)} is sent as ${sent}`, async () => {
      assert.equal(await dispositionOf(name), `form-data; name="file"; ${sent}`)
    })
  }

  for (const size of [2, 4]) {
    test(`is refused while it is sent when a file of ${size} bytes yields 3`, async () => {
      await assert.rejects(bytesOf(multipartUpload({ fields: {}, file: file('abc', { size }) })), UploadSizeError)
    })
  }
})

describe('sending an upload', () => {
  const send = (client: HttpClient, body: Upload) => client.request({ method: 'POST', path: '/up', body, signal })

  test('a server can read the form, whose length is announced', async t => {
    const big = Buffer.alloc(3_000_000, 'malware')
    let received: { length: string | undefined; form: FormData } | undefined
    const url = await serve(t, async (request, response) => {
      const headers = { 'content-type': request.headers['content-type'] ?? '' }
      const form = await new Response(await bodyOf(request), { headers }).formData()
      received = { length: request.headers['content-length'], form }
      response.end()
    })
    const upload = multipartUpload({
      fields: { custom: 'c-1' },
      file: {
        field: 'file',
        filename: 'näme.exe',
        size: big.length,
        async *open() {
          for (let at = 0; at < big.length; at += 65_536) yield big.subarray(at, at + 65_536)
        },
      },
    })
    await (await send(clientFor(t, url), upload)).text(0)
    const part = received?.form.get('file')
    assert.ok(part instanceof File)
    assert.equal(part.name, 'näme.exe')
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), big)
    assert.equal(received?.form.get('custom'), 'c-1')
    assert.equal(received?.length, String(upload.contentLength))
  })

  test('an answer that comes before the end of the body is the answer', async t => {
    const url = await serve(t, (_request, response) => response.writeHead(413).end('too large'))
    const upload = multipartUpload({
      fields: {},
      file: file('', {
        size: 30_000_000,
        async *open() {
          for (let i = 0; i < 300; i += 1) yield Buffer.alloc(100_000)
        },
      }),
    })
    await assert.rejects(send(clientFor(t, url), upload), { code: 'HTTP_STATUS', status: 413, excerpt: 'too large' })
  })

  test('an error of the file is thrown as it is', async t => {
    const url = await serve(t, request => void request.resume())
    const failure = new Error('disk is gone')
    const broken = file('abc', {
      async *open() {
        yield Buffer.from('a')
        throw failure
      },
    })
    const sending = send(clientFor(t, url), multipartUpload({ fields: {}, file: broken }))
    await assert.rejects(sending, (error: unknown) => error === failure)
  })

  test('a file of the wrong size is its own error, not one of the network', async t => {
    const url = await serve(t, request => void request.resume())
    for (const size of [2, 4]) {
      const upload = multipartUpload({ fields: {}, file: file('abc', { size }) })
      await assert.rejects(send(clientFor(t, url), upload), UploadSizeError)
    }
  })

  test('a file is not read ahead of the connection, and is closed when that breaks', async t => {
    let yielded = 0
    let closed = false
    const endless = file('', {
      size: 1e12,
      async *open() {
        try {
          for (;;) {
            yielded += 65_536
            yield Buffer.alloc(65_536)
          }
        } finally {
          closed = true
        }
      },
    })
    const url = await serve(t, request => {
      request.once('data', () => request.socket.resetAndDestroy())
    })
    const sending = send(clientFor(t, url), multipartUpload({ fields: {}, file: endless }))
    await assert.rejects(sending, { code: 'HTTP_NETWORK', bodyBegun: true })
    while (!closed) await new Promise(resolve => setImmediate(resolve))
    assert.ok(yielded < 64 * 2 ** 20, `${yielded} bytes were read`)
  })
})
