import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { inspect } from 'node:util'
import { NetworkError, StatusError } from '@cuckoo-distributed/http'
import { waitFor } from '@cuckoo-distributed/testing'
import { batchBytes, nextBatch } from '../src/batch.js'
import { REQUEST_BYTES_MAX } from '../src/client.js'
import {
  AnalysisGoneError,
  CritsAuthError,
  type CritsClient,
  CritsError,
  CritsStatusError,
  CritsUrlError,
  isCritsOutage,
  RowStore,
  SampleError,
  type SampleFile,
  type UploadResult,
} from '../src/index.js'
import { OK, type StubAnswer, startStub, TARGET } from './stub.js'

const signal = new AbortController().signal
const MD5 = '9e107d9d372bb6826bd81d3542a419d6'

describe('a call', () => {
  it('carries the credentials in the header only, and ids unchanged', async t => {
    const { client, requests } = await startStub(t, () => OK)
    await client.log('info', 'hällo\ud800', signal)
    const [request] = requests
    assert.equal(request?.path, '/api/v1/services/')
    assert.equal(request.headers.authorization, Buffer.from(`ApiKey älice:${TARGET.apiKey}`).toString('latin1'))
    assert.equal(request.headers['content-length'], String(request.body.length))
    assert.deepEqual(request.fields, {
      object_type: 'Sample',
      object_id: TARGET.objectId,
      analysis_id: TARGET.analysisId,
      log_level: 'info',
      log_message: 'hällo\ufffd',
    })
  })

  it('about one object waits for the one before, and takes no room from others', async t => {
    const { first, answerFirst, server, requests } = await startHolding(t)
    const calls = [first.log('info', 'first', signal), server.client(TARGET).log('info', 'second', signal)]
    await server.client({ ...TARGET, objectId: 'other' }).log('info', 'third', AbortSignal.timeout(10_000))
    assert.deepEqual(
      requests.map(({ fields }) => fields.log_message),
      ['first', 'third'],
    )
    answerFirst()
    await Promise.all(calls)
  })

  it('is one of two at a time to the same CRITs', async t => {
    const waiting: (() => void)[] = []
    const { server, requests } = await startStub(t, async () => {
      await new Promise<void>(resolve => waiting.push(resolve))
      return OK
    })
    const clients = ['a', 'b', 'c'].map(objectId => server.client({ ...TARGET, objectId }))
    const calls = clients.map(client => client.log('info', 'x', signal))
    await waitFor(() => waiting.length === 2, { describe: 'two calls' })
    assert.equal(requests.length, 2)
    waiting[0]?.()
    await Promise.race(calls)
    await waitFor(() => waiting.length === 3, { describe: 'the third call' })
    for (const answer of waiting) answer()
    await Promise.all(calls)
  })

  it('that waits its turn is ended by its signal, and leaves its place to others', async t => {
    const { client, server } = await startStub(t, () => OK)
    const release = await server.acquire([`object ${TARGET.objectId}`], signal)
    const controller = new AbortController()
    const call = client.log('info', 'x', controller.signal)
    controller.abort(new Error('enough'))
    await assert.rejects(call, /enough/)
    release()
    await client.log('info', 'y', signal)
  })

  it('does not begin within the pause after another', async t => {
    const { client, server } = await startStub(t, () => OK, { pauseMs: 3_600_000 })
    await client.log('info', 'x', signal)
    await assert.rejects(server.client(TARGET).log('info', 'y', AbortSignal.timeout(20)), { name: 'TimeoutError' })
  })
})

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

  it('is an outage when CRITs or a gateway failed, not when it refused', () => {
    assert.equal(isCritsOutage(new CritsStatusError('x', 500, true, '')), true)
    assert.equal(isCritsOutage(new CritsStatusError('x', 415, true, '')), false)
    assert.equal(isCritsOutage(new CritsError('x', 1, '')), false)
  })
})

describe('log', () => {
  it('tells that the analysis is gone', async t => {
    const { client } = await startStub(t, () => ({
      body: { return_code: 1, message: ', Could not find task to add log to.' },
    }))
    await assert.rejects(client.log('info', 'x', signal), AnalysisGoneError)
  })

  it('tells other refusals apart', async t => {
    const message = ', Could not find object to add results to.'
    const { client } = await startStub(t, () => ({ body: { return_code: 1, message } }))
    const error = await client.log('info', 'x', signal).catch((caught: unknown) => caught)
    assert.ok(error instanceof CritsError && !(error instanceof AnalysisGoneError))
  })
})

describe('finish', () => {
  it('sends the status with a true finish', async t => {
    const { client, requests } = await startStub(t, () => OK)
    await client.finish('error', signal)
    assert.equal(requests[0]?.fields.finish, '1')
    assert.equal(requests[0]?.fields.status, 'error')
  })
})

describe('addResults', () => {
  it('sends three JSON lists of strings in a request of at most 1 MiB', async t => {
    const { client, requests } = await startStub(t, () => OK)
    const store = new RowStore()
    for (let n = 0; n < 3000; n += 1)
      store.add({ subtype: 'file', result: `é${n}`, fields: { n, text: 'x'.repeat(400) } })
    const batch = nextBatch(store, 0, 3000, client.batchBytesMax)
    assert.ok(batch.to < 3000)
    await client.addResults(batch, signal)
    const { fields, body } = requests[0] ?? assert.fail('no request')
    assert.equal(body.length, REQUEST_BYTES_MAX - client.batchBytesMax + batchBytes(batch))
    assert.ok(body.length <= REQUEST_BYTES_MAX && body.length > REQUEST_BYTES_MAX - 1000, `${body.length} bytes`)
    assert.equal(fields.result_is_batch, '1')
    const results = JSON.parse(fields.result ?? '')
    assert.equal(results.length, batch.to)
    assert.equal(results[7], 'é7')
    assert.equal(JSON.parse(fields.result_type ?? '')[7], `{"n": 7, "text": "${'x'.repeat(400)}"}`)
    assert.equal(JSON.parse(fields.result_subtype ?? '')[7], 'file')
  })
})

describe('addSample', () => {
  it('sends the file with everything CRITs needs', async t => {
    const { client, requests } = await startStub(t, () => OK)
    assert.deepEqual(await upload(client, 'C:\\x\\ä"b.exe', 'MZ...'), { stored: true, id: 'object-1' })
    const { path, fields, filename } = requests[0] ?? assert.fail('no request')
    assert.equal(path, '/api/v1/samples/')
    assert.equal(filename, 'ä_b.exe')
    assert.deepEqual(fields, {
      upload_type: 'file',
      file_format: 'raw',
      source: 'Internal',
      method: 'cuckoo_distributed',
      description: 'Dropped during an analysis by Cuckoo',
      related_id: TARGET.objectId,
      related_type: 'Sample',
      filedata: 'MZ...',
    })
  })

  const results: readonly (readonly [claim: string, answer: object, result: object])[] = [
    [
      'stored with a complaint: return code 1 and an id',
      { return_code: 1, message: 'Sample not uploaded.', id: 'i' },
      { stored: true, id: 'i', complaint: 'Sample not uploaded.' },
    ],
    [
      'stored as something else: return code 0 and no id',
      { return_code: 0, message: 'Detected a PCAP!' },
      { stored: true, complaint: 'Detected a PCAP!' },
    ],
    [
      'not stored: return code 1 and no id',
      { return_code: 1, message: 'Missing source information.' },
      { stored: false, complaint: 'Missing source information.' },
    ],
  ]
  for (const [claim, body, result] of results) {
    it(claim, async t => {
      const { client } = await startStub(t, () => ({ body }))
      assert.deepEqual(await upload(client, 'a', 'x'), result)
    })
  }

  it('asks CRITs for nothing when the file is empty or there is no source', async t => {
    const { client, requests } = await startStub(t, () => OK)
    assert.deepEqual(await upload(client, 'a', ''), { stored: false, complaint: 'the file is empty' })
    const stub = await startStub(t, () => OK, { target: { source: '' } })
    assert.equal((await upload(stub.client, 'a', 'x')).stored, false)
    assert.equal(requests.length + stub.requests.length, 0)
  })

  it('takes 413 and 500 as a limit only above 2,621,440 bytes', async t => {
    for (const status of [413, 500]) {
      const { client } = await startStub(t, () => ({ status, body: 'too large' }))
      const result = await upload(client, 'a', 'x'.repeat(2_621_440))
      assert.match(result.complaint ?? '', /^2621440 bytes, above this CRITs' limit/)
      await assert.rejects(upload(client, 'a', 'x'.repeat(2_600_000)), new RegExp(String(status)))
    }
  })

  it('never uploads one MD5 twice at a time, for different analyses either', async t => {
    const { first, answerFirst, server, requests } = await startHolding(t)
    const second = server.client({ ...TARGET, objectId: 'second' })
    const third = server.client({ ...TARGET, objectId: 'third' })
    const uploads = [upload(first, 'a', 'x'), upload(second, 'b', 'x')]
    await third.addSample({ ...file('c', 'y'), md5: 'another' }, AbortSignal.timeout(10_000))
    assert.deepEqual(
      requests.map(({ filename }) => filename),
      ['a', 'c'],
    )
    answerFirst()
    await Promise.all(uploads)
  })
})

describe('forgeRelationship', () => {
  it('patches the analysed sample', async t => {
    const { client, requests } = await startStub(t, () => OK)
    await client.forgeRelationship('right', 'Dropped', signal)
    const { method, path, fields } = requests[0] ?? assert.fail('no request')
    assert.equal(`${method} ${path}`, `PATCH /api/v1/samples/${TARGET.objectId}/`)
    assert.deepEqual(fields, {
      action: 'forge_relationship',
      right_type: 'Sample',
      right_id: 'right',
      rel_type: 'Dropped',
    })
  })

  for (const message of ['Relationship already exists', 'Cannot forge relationship to oneself']) {
    it(`"${message}" is success`, async t => {
      const { client } = await startStub(t, () => ({ body: { return_code: 1, message } }))
      await client.forgeRelationship('right', 'Dropped', signal)
    })
  }

  it('any other refusal is an error', async t => {
    const { client } = await startStub(t, () => ({ body: { return_code: 1, message: 'Failed to get right TLO' } }))
    await assert.rejects(client.forgeRelationship('right', 'Dropped', signal), CritsError)
  })

  it('404 without a body means that the sample is not visible', async t => {
    const { client } = await startStub(t, () => ({ status: 404 }))
    await assert.rejects(client.forgeRelationship('right', 'Dropped', signal), { code: 'SAMPLE_NOT_FOUND' })
  })
})

describe('readSample', () => {
  it('yields the decoded content, without a body in the request', async t => {
    const content = Buffer.alloc(3_000_000, 'sample')
    const { client, requests } = await startStub(t, () => ({
      body: { _id: 'x', filedata: content.toString('base64') },
    }))
    assert.ok((await readAll(client, 3_000_000)).equals(content))
    assert.equal(`${requests[0]?.method} ${requests[0]?.path}`, `GET /api/v1/samples/${TARGET.objectId}/`)
    assert.equal(requests[0]?.body.length, 0)
    assert.equal(requests[0]?.headers['transfer-encoding'], undefined)
  })

  it('stops at the limit', async t => {
    const { client } = await startStub(t, () => ({ body: { filedata: Buffer.alloc(1000).toString('base64') } }))
    await assert.rejects(readAll(client, 999), { code: 'SAMPLE_TOO_LARGE' })
  })

  it('of a sample that is not visible is an error', async t => {
    const { client } = await startStub(t, () => ({ status: 404 }))
    await assert.rejects(
      readAll(client, 10),
      (error: unknown) => error instanceof SampleError && error.code === 'SAMPLE_NOT_FOUND',
    )
  })

  it('of a wrong URL is an error', async t => {
    const { client } = await startStub(t, () => ({ body: '<html>' }))
    await assert.rejects(readAll(client, 10), CritsUrlError)
  })

  it('given up early leaves room for the next call', async t => {
    const { client } = await startStub(t, ({ method }) =>
      method === 'GET' ? { body: { filedata: Buffer.alloc(9_000_000).toString('base64') } } : OK,
    )
    for (let n = 0; n < 3; n += 1) for await (const _chunk of client.readSample(9_000_000, signal)) break
    await client.log('info', 'x', signal)
  })
})

/** A CRITs that keeps its first caller waiting. */
async function startHolding(t: TestContext) {
  let answerFirst = () => {}
  const held = new Promise<void>(resolve => {
    answerFirst = resolve
  })
  const { client, ...stub } = await startStub(t, async () => {
    if (stub.requests.length === 1) await held
    return OK
  })
  return { ...stub, first: client, answerFirst }
}

function upload(client: CritsClient, name: string, content: string): Promise<UploadResult> {
  return client.addSample(file(name, content), signal)
}

function file(name: string, content: string): SampleFile {
  const bytes = Buffer.from(content)
  return { name, md5: MD5, size: bytes.length, open: () => stream(bytes) }
}

async function* stream(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

async function readAll(client: CritsClient, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of client.readSample(maxBytes, signal)) chunks.push(chunk)
  return Buffer.concat(chunks)
}
