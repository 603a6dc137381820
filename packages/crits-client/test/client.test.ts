import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { batchBytes, nextBatch } from '../src/batch.js'
import { REQUEST_BYTES_MAX } from '../src/client.js'
import { AnalysisGoneError, CritsError, RowStore } from '../src/index.js'
import { OK, startHolding, startStub, TARGET } from './stub.js'

const signal = new AbortController().signal

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
