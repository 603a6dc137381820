import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { type CritsOptions, startCrits } from '@cuckoo-distributed/testing'
import {
  AnalysisGoneError,
  type CritsClient,
  CritsServer,
  type CritsTarget,
  type ResultRow,
  RowStore,
  readSample,
  STORED_BYTES_MAX,
  submitRows,
  type UploadResult,
} from '../src/index.js'

const signal = new AbortController().signal
const SIGNALS = { stopSignal: signal, forceSignal: signal }

for (const profile of ['2015', 'stable', 'master'] as const) {
  describe(`against a strict CRITs, ${profile}`, () => {
    it('a whole analysis arrives as it was meant', async t => {
      const { crits, client, analysis } = await open(t, { profile })
      const store = everyKindOfRow()
      await submitRows(client, store, { ...SIGNALS, onConfirmed: () => {} })
      await client.finish('completed', signal)
      assert.equal(analysis.status, 'completed')
      assert.equal(analysis.results.length, store.rowCount)
      assert.deepEqual(crits.violations, [])
      const hostile = analysis.results.find(row => row.subtype === 'signature')
      assert.deepEqual(hostile, {
        subtype: 'signature',
        result: HOSTILE.toWellFormed(),
        severity: '3',
        name: HOSTILE.toWellFormed(),
        list: [{ name: HOSTILE.toWellFormed(), value: '' }],
      })
    })

    it('dropped files become related samples', async t => {
      const { crits, client, sample } = await open(t, { profile })
      const bytes = randomBytes(3000)
      const { id, stored } = await upload(client, 'C:\\Temp\\a"b&amp;ü.exe', bytes)
      assert.ok(stored && id !== undefined)
      await client.forgeRelationship(id, 'Dropped', signal)
      await client.forgeRelationship(id, 'Dropped', signal)
      await client.forgeRelationship(sample.id, 'Related To', signal)
      const again = await upload(client, 'other.exe', bytes)
      assert.equal(again.id, id)
      const dropped = crits.samples.get(id)
      assert.deepEqual(dropped?.content?.bytes, bytes)
      assert.equal(dropped?.filename, 'a_b_amp_ü.exe')
      assert.deepEqual(dropped?.sources[0]?.instances[0]?.method, 'File Upload - cuckoo_distributed')
      assert.ok(dropped?.relationships.some(({ relationship }) => relationship === 'Dropped By'))
      assert.deepEqual(crits.violations, [])
    })
  })
}

describe('against a strict CRITs', () => {
  it('the row budget stays within the document, whatever the rows are like', async t => {
    for (const make of [smallCall, largeCall]) {
      const { client, analysis, crits } = await open(t)
      const store = new RowStore()
      for (let n = 0; store.add(make(n)); n += 1);
      await submitRows(client, store, { ...SIGNALS, onConfirmed: () => {} })
      assert.equal(analysis.results.length, store.rowCount)
      assert.ok(analysis.size > STORED_BYTES_MAX / 3 && analysis.size <= STORED_BYTES_MAX, `${analysis.size} bytes`)
      assert.deepEqual(crits.violations, [])
    }
  })

  it('an interrupted submission goes on where it was, and doubles nothing', async t => {
    const { crits, client, analysis } = await open(t)
    const store = new RowStore()
    for (let n = 0; n < 600; n += 1) store.add(largeCall(n))
    const stop = new AbortController()
    let done = 0
    const onConfirmed = (rows: number) => {
      done = rows
      stop.abort(new Error('hold limit'))
    }
    await assert.rejects(
      submitRows(client, store, { onConfirmed, stopSignal: stop.signal, forceSignal: signal }),
      /hold limit/,
    )
    assert.ok(done > 0 && done < 600)
    await submitRows(client, store, { ...SIGNALS, from: done, onConfirmed: () => {} })
    assert.equal(analysis.results.length, 600)
    assert.deepEqual(crits.duplicateResults(analysis.id), [])
  })

  it('a lost answer is an error that does not send the rows again', async t => {
    const { crits, client, analysis } = await open(t)
    crits.faults.next({ kind: 'lostAfterStore', match: { method: 'POST' } })
    const store = everyKindOfRow()
    await assert.rejects(submitRows(client, store, { ...SIGNALS, onConfirmed: () => {} }), {
      code: 'CRITS_RESULTS_UNKNOWN',
    })
    assert.deepEqual(crits.duplicateResults(analysis.id), [])
  })

  it('a proxy that limits bodies to 64 KB lets every row through', async t => {
    const { crits, client, analysis } = await open(t, { proxyBodyLimit: 65_536 })
    const store = new RowStore()
    for (let n = 0; n < 3000; n += 1) store.add(smallCall(n))
    assert.equal(await submitRows(client, store, { ...SIGNALS, onConfirmed: () => {} }), 0)
    assert.equal(analysis.results.length, 3000)
    assert.deepEqual(crits.violations, [])
  })

  it('an outage is no fault of the rows', async t => {
    const { crits, client, analysis } = await open(t)
    await crits.down()
    const submit = () => submitRows(client, everyKindOfRow(), { ...SIGNALS, onConfirmed: () => {} })
    await assert.rejects(submit(), { code: 'SERVER_AWAY' })
    await crits.up()
    await submit()
    assert.equal(analysis.results.length, everyKindOfRow().rowCount)
  })

  it('only a log line finds out that the analysis is gone', async t => {
    const { crits, server, sample } = await open(t)
    const client = server.client({ ...credentials(crits), analysisId: 'gone', objectId: sample.id })
    await client.finish('completed', signal)
    await assert.rejects(client.log('info', 'x', signal), AnalysisGoneError)
  })

  it('a network capture is stored, but not as a sample', async t => {
    const { client } = await open(t)
    const { stored, id, complaint } = await upload(client, 'dump.pcap', Buffer.from('d4c3b2a1020004000000', 'hex'))
    assert.deepEqual([stored, id], [true, undefined])
    assert.match(complaint ?? '', /PCAP/)
  })

  it('a known sample is found with its description and the sources that the user may see, not with its bytes', async t => {
    const { crits, client } = await open(t)
    const known = crits.addSample({ bytes: Buffer.from('MZ known'), description: "an analyst's words" })
    assert.deepEqual(await client.findSample(known.md5, signal), {
      id: known.id,
      description: "an analyst's words",
      sources: ['Internal'],
    })
    const foreign = crits.addSample({ bytes: Buffer.from('MZ foreign'), source: 'Other' })
    assert.equal(await client.findSample(foreign.md5, signal), undefined)
    assert.deepEqual(crits.violations, [])
  })

  it('a file above the limit of CRITs is named as such', async t => {
    const { client } = await open(t)
    const { stored, complaint } = await upload(client, 'large.bin', randomBytes(2_700_000))
    assert.equal(stored, false)
    assert.match(complaint ?? '', /DATA_UPLOAD_MAX_MEMORY_SIZE/)
  })

  it('a sample is read back byte for byte', async t => {
    const bytes = randomBytes(1_000_003)
    const { server, target } = await open(t, {}, bytes)
    assert.ok((await readAll(server, target, bytes.length)).equals(bytes))
  })

  for (const size of [1, 18, 1_000_003]) {
    it(`a sample of ${size} bytes is read out of a ZIP where the JSON has only the id of a file`, async t => {
      const bytes = randomBytes(size)
      const { crits, server, target } = await open(t, { filedata: 'id', zipWait: 1 }, bytes)
      assert.ok((await readAll(server, target, size)).equals(bytes))
      await assert.rejects(readAll(server, target, size - 1), { code: 'SAMPLE_TOO_LARGE' })
      assert.deepEqual(crits.violations, [])
    })
  }

  it('a sample without content is called so by a CRITs that makes ZIPs', async t => {
    const { server, target } = await open(t, { filedata: 'id', zipWait: 1 }, Buffer.alloc(0))
    await assert.rejects(readAll(server, target, 10), { code: 'SAMPLE_EMPTY' })
  })

  it('a sample that does not exist is an error', async t => {
    const { server, target } = await open(t)
    await assert.rejects(readAll(server, { ...target, objectId: '0'.repeat(24) }, 10), { code: 'SAMPLE_NOT_FOUND' })
  })

  it('a wrong key, a wrong path and a redirect are told apart', async t => {
    const { crits, server, sample, analysis } = await open(t)
    const target = { ...credentials(crits), analysisId: analysis.id, objectId: sample.id }
    await assert.rejects(server.client({ ...target, apiKey: 'wrong' }).log('info', 'x', signal), { code: 'CRITS_AUTH' })
    await using elsewhere = new CritsServer({ baseUrl: new URL(`${crits.url}/crits`), verifySsl: true })
    await assert.rejects(elsewhere.client(target).log('info', 'x', signal), { code: 'CRITS_URL' })
    const secure = await open(t, { httpsRedirect: true })
    await assert.rejects(secure.client.log('info', 'x', signal), { code: 'CRITS_URL', message: /https:/ })
  })
})

const HOSTILE = '\ud800"\\\n\0\u0007\u2028😀{}[]\'u"\\u003c'

function everyKindOfRow(): RowStore {
  const store = new RowStore()
  const rows: ResultRow[] = [
    smallCall(1),
    { subtype: 'file_added', result: 'drop.exe', fields: { md5: '0'.repeat(32) } },
    { subtype: 'mutex', result: 'm' },
    { subtype: 'registry_key', result: 'HKEY_LOCAL_MACHINE\\Software' },
    { subtype: 'file', result: 'C:\\x' },
    { subtype: 'process', result: 'p.exe', fields: { process_id: '1', parent_id: '', first_seen: '' } },
    {
      subtype: 'signature',
      result: HOSTILE,
      fields: { severity: '3', name: HOSTILE, list: [{ name: HOSTILE, value: '' }] },
    },
    { subtype: 'info', result: 'vm', fields: { started: 'a', ended: 'b', analysis_id: '7' } },
    smallCall(2),
  ]
  for (const row of rows) assert.equal(store.add(row), true)
  return store
}

function smallCall(n: number): ResultRow {
  return { subtype: 'api_call', result: 'NtClose', fields: { id: n, status: 'true', arguments: [] } }
}

function largeCall(n: number): ResultRow {
  const argument = { name: 'Buffer', value: `é${n}"\\`.repeat(60) }
  return { subtype: 'api_call', result: 'NtWriteFile', fields: { id: n, arguments: Array(12).fill(argument) } }
}

async function open(t: TestContext, options: CritsOptions = {}, bytes = Buffer.from('MZ sample')) {
  const crits = await startCrits(options)
  const server = new CritsServer({ baseUrl: new URL(crits.url), verifySsl: true })
  t.after(async () => {
    await server[Symbol.asyncDispose]()
    await crits.close()
  })
  const sample = crits.addSample({ bytes })
  const analysis = crits.startAnalysis({ objectId: sample.id })
  const target = { ...credentials(crits), objectId: sample.id, analysisId: analysis.id }
  return { crits, server, client: server.client(target), target, sample, analysis }
}

function credentials({ users }: Awaited<ReturnType<typeof startCrits>>) {
  const user = users[0] ?? assert.fail('no user')
  const apiKey = user.keys[0] ?? assert.fail('no key')
  return { username: user.name, apiKey, objectType: 'Sample' }
}

async function readAll(server: CritsServer, target: CritsTarget, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of readSample(server, target, { maxBytes, tmpDir: '', signal })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function upload(client: CritsClient, name: string, bytes: Buffer): Promise<UploadResult> {
  const md5 = createHash('md5').update(bytes).digest('hex')
  return client.addSample({ name, md5, size: bytes.length, open: () => once(bytes) }, 'Internal', signal)
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
