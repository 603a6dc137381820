// A sample of several sources: whoever may see one of them sees what it dropped.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { writeHeaders } from '@cuckoo-distributed/core'
import type { CritsOptions, CuckooOptions } from '@cuckoo-distributed/testing'
import type { Parser } from '../src/config.js'
import { submitterScene } from './submitter.js'

const UPLOADS = { method: 'POST', path: '/api/v1/samples/' }
const PCAP = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000 a packet', 'latin1')
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')
const content = Buffer.from('MZ dropped')

interface Options {
  readonly parsers?: Parser[]
  readonly cuckoo?: CuckooOptions
  readonly crits?: CritsOptions
  /** Whether the user may write under the second source. */
  readonly write?: boolean
}

async function scene(t: TestContext, { parsers = ['dropped'], cuckoo, crits, write = true }: Options = {}) {
  const sources = [{ name: 'Internal' }, { name: 'Öffentlich', write }]
  const users = [{ name: 'alice', keys: ['f00d'.repeat(10)], sources }]
  const dropped = () => [{ name: 'a.exe', content }]
  const standIns = { cuckoo: { dropped, ...cuckoo }, crits: { users, ...crits } }
  const made = await submitterScene(t, { EnabledParsers: parsers }, { standIns, uploadPauseMs: 1 })
  const body = JSON.parse(made.messageTo(made.cuckoo.url).toString())
  body.CritsData.sources = ['Internal', 'Öffentlich', 'Internal', '']
  const message = Buffer.from(JSON.stringify(body))
  const run = async () => {
    for (let table = {}; ; ) {
      const { headers, outcome } = made.deliver(table, undefined, undefined, message)
      const { kind } = await outcome
      if (kind !== 'later') return kind
      table = writeHeaders(headers)
    }
  }
  const uploads = () =>
    made.crits.journal.filter(({ method, path }) => method === 'POST' && /(samples|pcaps)\/$/.test(path))
  const stored = () => [...made.crits.samples.values()].find(sample => sample.md5 === md5(content))
  const rows = () => made.analysis().results.filter(({ subtype }) => subtype === 'file_added').length
  const log = () => made.analysis().log.map(line => line.message)
  return { ...made, run, uploads, stored, rows, log, names: () => stored()?.sources.map(({ name }) => name) }
}

for (const profile of ['2015', 'stable', 'master'] as const) {
  test(`a new file is filed under each source, with one relationship and one row (${profile})`, async t => {
    const made = await scene(t, { crits: { profile } })
    assert.equal(await made.run(), 'done')
    assert.deepEqual(made.names(), ['Internal', 'Öffentlich'])
    assert.equal(made.stored()?.description, profile === '2015' ? undefined : 'Dropped during an analysis by Cuckoo')
    assert.deepEqual([made.stored()?.relationships.length, made.rows(), made.uploads().length], [1, 1, 2])
    assert.ok(made.log().includes('1 dropped files, 1 uploaded'))
    assert.deepEqual(made.crits.violations, [])
  })
}

test('a known file is sent only for the sources that it is not filed under, with its own description', async t => {
  const made = await scene(t)
  const known = made.crits.addSample({ bytes: content, source: 'Öffentlich', description: 'words' })
  assert.equal(await made.run(), 'done')
  assert.deepEqual([made.uploads().length, known.description], [1, 'words'])
  assert.deepEqual(made.names(), ['Öffentlich', 'Internal'])
})

test('a file that is filed under all of them is only related', async t => {
  const made = await scene(t)
  const known = made.crits.addSample({ bytes: content })
  known.sources.push({ name: 'Öffentlich', instances: known.sources[0]?.instances ?? [] })
  assert.equal(await made.run(), 'done')
  assert.deepEqual([made.uploads().length, known.relationships.length, made.rows()], [0, 1, 1])
})

test('a source that the user may not write to is named, and costs the others nothing', async t => {
  const made = await scene(t, { write: false })
  assert.equal(await made.run(), 'done')
  assert.deepEqual([made.names(), made.stored()?.relationships.length, made.rows()], [['Internal'], 1, 1])
  const line = made.log().find(text => text.startsWith('dropped file a.exe'))
  assert.match(line ?? '', /: source "Öffentlich": .*permission/)
})

test('a user who may not create samples costs the dropped files only, with a warning for each in the log of the analysis', async t => {
  const users = [{ name: 'alice', keys: ['f00d'.repeat(10)], sources: [{ name: 'Internal' }], createSamples: false }]
  const made = await scene(t, { parsers: ['info', 'dropped'], crits: { profile: 'master', users } })
  assert.equal(await made.run(), 'done')
  const [line, ...others] = made.analysis().log.filter(({ level }) => level === 'warning')
  assert.match(line?.message ?? '', /^dropped file a\.exe .*: User does not have permission to create Object\.$/)
  assert.deepEqual([others.length, made.stored(), made.rows()], [0, undefined, 0])
  assert.ok(made.analysis().results.length > 0)
  assert.deepEqual([made.analysis().status, made.lines('warn')], ['completed', []])
})

test('uploads that a proxy forbids wait for their shared cause', async t => {
  const made = await scene(t)
  made.crits.faults.next({ kind: 'status', status: 403, match: UPLOADS })
  await assert.rejects(made.run(), { code: 'CRITS_URL', sharedCause: true })
})

test('a file that CRITs refuses is offered once', async t => {
  const made = await scene(t, { cuckoo: { dropped: () => [{ name: 'large', content: Buffer.alloc(2_700_000, 1) }] } })
  assert.equal(await made.run(), 'done')
  assert.deepEqual([made.uploads().length, made.rows()], [1, 0])
})

test('an upload for one source that fails is tried again, and that of the other is not repeated', async t => {
  const made = await scene(t)
  made.crits.faults.next({ kind: 'status', status: 504, match: { ...UPLOADS, nth: 2 } })
  assert.equal(await made.run(), 'done')
  assert.deepEqual(made.names(), ['Internal', 'Öffentlich'])
  assert.equal(made.stored()?.sources[0]?.instances.length, 1)
  assert.equal(made.rows(), 1)
})

test('a file that is filed under one source has its row, although it is given up for the other', async t => {
  const made = await scene(t)
  const times = Number.POSITIVE_INFINITY
  made.crits.faults.next({ kind: 'status', status: 500, times, match: { ...UPLOADS, nth: 2 } })
  assert.equal(await made.run(), 'done')
  assert.deepEqual([made.names(), made.rows()], [['Internal'], 1])
  assert.equal(made.log().filter(text => /a\.exe .*given up/.test(text)).length, 1)
})

test('the capture is filed under each source as well', async t => {
  const made = await scene(t, { parsers: ['pcap'], cuckoo: { artifacts: () => ({ pcap: PCAP }) } })
  assert.equal(await made.run(), 'done')
  assert.deepEqual(
    made.crits.pcaps.map(({ sources }) => sources),
    [['Internal', 'Öffentlich']],
  )
  assert.equal(made.crits.samples.get(made.running.objectId)?.relationships.length, 1)
})
