import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type CritsClient,
  CritsError,
  type CritsServer,
  CritsUrlError,
  readSample,
  SampleError,
  type SampleFile,
  type UploadResult,
} from '../src/index.js'
import { OK, startHolding, startStub, TARGET } from './stub.js'

const signal = new AbortController().signal
const MD5 = '9e107d9d372bb6826bd81d3542a419d6'

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
      filedata: 'MZ...',
    })
  })

  it('sends back the very description that a known sample has, and never an empty one', async t => {
    const { client, requests } = await startStub(t, () => OK)
    const text = "An analyst's own\n  words "
    await client.addSample(file('a', 'x'), 'Internal', signal, text)
    await client.addSample(file('a', 'x'), 'Internal', signal, '')
    assert.deepEqual(
      requests.map(({ fields }) => fields.description),
      [text, 'Dropped during an analysis by Cuckoo'],
    )
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
    const empty = { stored: false, complaint: 'the file is empty', isFileRefused: true }
    assert.deepEqual(await upload(client, 'a', ''), empty)
    assert.equal((await client.addSample(file('a', 'x'), '', signal)).stored, false)
    assert.equal(requests.length, 0)
  })

  it('takes 413 and 500 as a limit only above 2,621,440 bytes', async t => {
    for (const status of [413, 500]) {
      const { client } = await startStub(t, () => ({ status, body: 'too large' }))
      const result = await upload(client, 'a', 'x'.repeat(2_621_440))
      assert.match(result.complaint ?? '', /^2621440 bytes, above this CRITs' limit/)
      await assert.rejects(upload(client, 'a', 'x'.repeat(2_600_000)), new RegExp(String(status)))
    }
  })

  it('takes a connection that breaks twice during a large upload as that limit, if CRITs takes log lines', async t => {
    let uploads = 0
    const { client } = await startStub(t, ({ fields }) => {
      if (fields.log_message !== undefined) return OK
      uploads += 1
      return { drop: true }
    })
    const result = await upload(client, 'a', 'x'.repeat(2_621_440))
    assert.match(result.complaint ?? '', /above this CRITs' limit/)
    assert.equal(uploads, 2)
    await assert.rejects(upload(client, 'a', 'x'.repeat(1000)), { code: 'HTTP_NETWORK' })
    const away = await startStub(t, () => ({ drop: true }))
    await assert.rejects(upload(away.client, 'a', 'x'.repeat(2_621_440)), { code: 'HTTP_NETWORK' })
  })

  it('needs no more than the status of a refusal', async t => {
    const { client } = await startStub(t, () => {
      return { status: 500, headers: { 'content-type': 'application/json' }, body: '{"error_mess' }
    })
    assert.equal((await upload(client, 'a', 'x'.repeat(2_621_440))).stored, false)
    await assert.rejects(upload(client, 'a', 'x'), { code: 'CRITS_STATUS', status: 500 })
  })

  it('never uploads one MD5 twice at a time, for different analyses either', async t => {
    const { first, answerFirst, server, requests } = await startHolding(t)
    const second = server.client({ ...TARGET, objectId: 'second' })
    const third = server.client({ ...TARGET, objectId: 'third' })
    const uploads = [upload(first, 'a', 'x'), upload(second, 'b', 'x')]
    await third.addSample({ ...file('c', 'y'), md5: 'another' }, 'Internal', AbortSignal.timeout(10_000))
    assert.deepEqual(
      requests.map(({ filename }) => filename),
      ['a', 'c'],
    )
    answerFirst()
    await Promise.all(uploads)
  })
})

describe('addPcap and addScreenshot', () => {
  it('send a capture under its MD5, without what relates it at once', async t => {
    const { client, requests } = await startStub(t, () => OK)
    assert.deepEqual(await client.addPcap(file('dümp.pcap', 'capture'), 'Internal', signal), {
      stored: true,
      id: 'object-1',
    })
    const { path, fields, filename } = requests[0] ?? assert.fail('no request')
    assert.deepEqual([path, filename], ['/api/v1/pcaps/', `${MD5}.pcap`])
    assert.deepEqual(fields, {
      source: 'Internal',
      method: 'cuckoo_distributed',
      description: 'Network traffic of an analysis by Cuckoo',
      filedata: 'capture',
    })
  })

  it('attach a picture to the analysed sample', async t => {
    const { client, requests } = await startStub(t, () => OK)
    assert.deepEqual(await client.addScreenshot(file('0001.jpg', 'picture'), 'Internal', signal), {
      stored: true,
      id: 'object-1',
    })
    const { path, fields, filename } = requests[0] ?? assert.fail('no request')
    assert.deepEqual([path, filename], ['/api/v1/screenshots/', '0001.jpg'])
    assert.deepEqual(fields, {
      upload_type: 'screenshot',
      oid: TARGET.objectId,
      otype: TARGET.objectType,
      source: 'Internal',
      method: 'cuckoo_distributed',
      description: 'Screen during an analysis by Cuckoo',
      filedata: 'picture',
    })
  })

  it('ask CRITs for nothing when there is nothing to send', async t => {
    const { client, requests } = await startStub(t, () => OK)
    assert.equal((await client.addPcap(file('a', ''), 'Internal', signal)).stored, false)
    assert.equal((await client.addScreenshot(file('a', ''), 'Internal', signal)).stored, false)
    assert.equal(requests.length, 0)
  })
})

describe('findSample', () => {
  it('asks for one sample without its content', async t => {
    const source = [{ name: 'Internal', instances: [] }, { name: 'ä' }]
    const { client, requests } = await startStub(t, () => ({
      body: { meta: {}, objects: [{ _id: 'id-1', description: 'words', source }] },
    }))
    assert.deepEqual(await client.findSample(MD5, signal), {
      id: 'id-1',
      description: 'words',
      sources: ['Internal', 'ä'],
    })
    const { method, path } = requests[0] ?? assert.fail('no request')
    assert.equal(method, 'GET')
    const url = new URL(path, 'http://crits')
    assert.equal(url.pathname, '/api/v1/samples/')
    assert.deepEqual(Object.fromEntries(url.searchParams), { 'c-md5': MD5, only: 'description,source', limit: '1' })
  })

  it('of an MD5 that CRITs does not have is undefined', async t => {
    const { client } = await startStub(t, () => ({ body: { objects: [] } }))
    assert.equal(await client.findSample(MD5, signal), undefined)
  })

  it('of what is not CRITs is an error', async t => {
    const { client } = await startStub(t, () => ({ body: { hello: 'world' } }))
    await assert.rejects(client.findSample(MD5, signal), CritsUrlError)
    const cut = await startStub(t, () => ({ headers: { 'content-type': 'application/json' }, body: '{"objects' }))
    await assert.rejects(cut.client.findSample(MD5, signal), CritsUrlError)
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
    const { server, requests } = await startStub(t, () => ({
      body: { _id: 'x', filedata: content.toString('base64') },
    }))
    assert.ok((await readAll(server, 3_000_000)).equals(content))
    assert.equal(`${requests[0]?.method} ${requests[0]?.path}`, `GET /api/v1/samples/${TARGET.objectId}/`)
    assert.equal(requests[0]?.body.length, 0)
    assert.equal(requests[0]?.headers['transfer-encoding'], undefined)
  })

  it('stops at the limit', async t => {
    const { server } = await startStub(t, () => ({ body: { filedata: Buffer.alloc(1000).toString('base64') } }))
    await assert.rejects(readAll(server, 999), { code: 'SAMPLE_TOO_LARGE' })
  })

  it('of a sample that is not visible is an error', async t => {
    const { server } = await startStub(t, () => ({ status: 404 }))
    await assert.rejects(
      readAll(server, 10),
      (error: unknown) => error instanceof SampleError && error.code === 'SAMPLE_NOT_FOUND',
    )
  })

  it('of a wrong URL is an error', async t => {
    const { server } = await startStub(t, () => ({ body: '<html>' }))
    await assert.rejects(readAll(server, 10), CritsUrlError)
  })

  it('given up early leaves room for the next call', async t => {
    const { server, client } = await startStub(t, ({ method }) =>
      method === 'GET' ? { body: { filedata: Buffer.alloc(9_000_000).toString('base64') } } : OK,
    )
    for (let n = 0; n < 3; n += 1)
      for await (const _chunk of readSample(server, TARGET, { maxBytes: 9_000_000, tmpDir: '', signal })) break
    await client.log('info', 'x', signal)
  })
})

function upload(client: CritsClient, name: string, content: string): Promise<UploadResult> {
  return client.addSample(file(name, content), 'Internal', signal)
}

function file(name: string, content: string): SampleFile {
  const bytes = Buffer.from(content)
  return { name, md5: MD5, size: bytes.length, open: () => stream(bytes) }
}

async function* stream(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

async function readAll(server: CritsServer, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of readSample(server, TARGET, { maxBytes, tmpDir: '', signal })) chunks.push(chunk)
  return Buffer.concat(chunks)
}
