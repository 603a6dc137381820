// Captures, payloads, process dumps and screenshots of an analysis.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { writeHeaders } from '@cuckoo-distributed/core'
import {
  type CapeOptions,
  type CritsOptions,
  type CuckooArtifacts,
  memoryBody,
  startCape,
  waitFor,
  zip,
} from '@cuckoo-distributed/testing'
import type { Parser } from '../src/config.js'
import { PROGRESS } from '../src/notes.js'
import { SAME_RUN } from './same-run.js'
import { analyse, submitterScene } from './submitter.js'

const hash = (name: 'md5' | 'sha256', bytes: Buffer) => createHash(name).update(bytes).digest('hex')
const HEADER = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex')
const PCAP = Buffer.concat([HEADER, Buffer.from('a packet')])
const picture = (name: string) => Buffer.concat([Buffer.from('ffd8ffe0', 'hex'), Buffer.from(name)])

interface Options {
  readonly artifacts?: CuckooArtifacts
  readonly report?: object
  readonly dropped?: readonly { name: string; content: Buffer }[]
  readonly crits?: CritsOptions
  readonly max?: number
  readonly next?: string
}

async function scene(t: TestContext, EnabledParsers: Parser[], options: Options = {}) {
  const { artifacts = {}, report, dropped = [], crits = {}, max = 5, next = '' } = options
  const cuckoo = {
    artifacts: () => artifacts,
    dropped: () => dropped,
    ...(report && { report: () => memoryBody(JSON.stringify(report)) }),
  }
  const standIns = { cuckoo, crits }
  const config = { EnabledParsers, ScreenshotsMax: max, ProducerQueue: next }
  const made = await submitterScene(t, config, { standIns, uploadPauseMs: 1 })
  const sample = made.crits.samples.get(made.running.objectId)
  assert.ok(sample)
  const log = () => made.analysis().log.map(({ message }) => message)
  const rows = (subtype: string) => made.analysis().results.filter(row => row.subtype === subtype)
  return { ...made, object: sample, log, rows }
}

const bare = (fields: object[]) => fields.map(row => ({ ...row }))

for (const profile of ['2015', 'stable', 'master'] as const) {
  test(`the capture is an object under its MD5, related to the sample, with a row (${profile})`, async t => {
    const made = await scene(t, ['info', 'pcap'], { artifacts: { pcap: PCAP }, crits: { profile } })
    assert.equal((await made.deliver({}).outcome).kind, 'done')
    const [stored, ...others] = made.crits.pcaps
    assert.deepEqual(
      [stored?.filename, stored?.md5, others.length],
      [`${hash('md5', PCAP)}.pcap`, hash('md5', PCAP), 0],
    )
    assert.deepEqual(made.object.relationships, [{ relationship: 'Related To', type: 'PCAP', objectId: stored?.id }])
    const md5 = hash('md5', PCAP)
    assert.deepEqual(bare(made.rows('pcap_added')), [{ subtype: 'pcap_added', result: md5, md5 }])
    assert.ok(made.log().includes('1 captures, 1 uploaded'))
    assert.deepEqual(made.crits.violations, [])
  })
}

test('a capture without a packet is left out: it is the same file for all samples', async t => {
  const made = await scene(t, ['pcap'], { artifacts: { pcap: HEADER } })
  assert.equal((await made.deliver({}).outcome).kind, 'done')
  assert.deepEqual([made.crits.pcaps.length, made.rows('pcap_added').length], [0, 0])
  assert.ok(made.log().includes('the capture holds no packet and is left out'))
})

test('a capture that is too large for this CRITs is named, and its row is not there', async t => {
  const pcap = Buffer.concat([PCAP, Buffer.alloc(2_700_000, 1)])
  const made = await scene(t, ['pcap'], { artifacts: { pcap } })
  assert.equal((await made.deliver({}).outcome).kind, 'done')
  assert.match(made.log().join('\n'), /capture dump\.pcap \(MD5 \w+\): 27\d+ bytes, above this CRITs' limit/)
  assert.deepEqual(made.rows('pcap_added'), [])
})

test('what a task does not have is no failure', async t => {
  const made = await scene(t, ['pcap', 'payloads', 'procdump', 'screenshots'])
  assert.equal((await made.deliver({}).outcome).kind, 'done')
  assert.equal(made.analysis().status, 'completed')
  assert.ok(made.log().includes('0 payloads, 0 process dumps, 0 captures, 0 screenshots, 0 uploaded'))
})

const [unpacked, injected, dump] = ['MZ unpacked', 'injected', 'MZ dump'].map(text => Buffer.from(text))
assert.ok(unpacked && injected && dump)
const payload = (bytes: Buffer, type: string, process: string, pid: number | string) => ({
  ...{ name: hash('sha256', bytes), sha256: hash('sha256', bytes), md5: hash('md5', bytes), guest_paths: '8;?C:\\a;?' },
  ...{ cape_type_code: 8, cape_type: type, process_name: process, pid },
})
const CAPE = {
  ...SAME_RUN.CAPE,
  CAPE: {
    payloads: [payload(unpacked, 'Unpacked PE Image', 'a.exe', 8), payload(injected, 'Injected', 'b.exe', '9,10')],
  },
  procdump: [payload(dump, '', 'a.exe', 8), payload(unpacked, 'again', 'c.exe', 11)],
}
const archive = (folder: string, contents: Buffer[]) =>
  zip(
    contents.map(content => ({ name: `${folder}/${hash('sha256', content)}`, content })),
    { password: 'infected' },
  )
const formats = { payloads: archive('CAPE', [unpacked, injected]), procdump: archive('procdump', [dump, unpacked]) }

test('payloads are samples that were dropped, each once, and their rows say what the report says about them', async t => {
  const dropped = [{ name: 'same.exe', content: unpacked }]
  const parsers: Parser[] = ['dropped', 'payloads', 'procdump']
  const made = await scene(t, parsers, { artifacts: { formats }, report: CAPE, dropped })
  assert.equal((await made.deliver({}).outcome).kind, 'done')
  const row = (bytes: Buffer, type: string, process: string, pid: string) => {
    const [md5, result] = [hash('md5', bytes), hash('sha256', bytes)]
    return { subtype: 'payload_added', result, md5, type, process, pid }
  }
  assert.deepEqual(bare(made.rows('payload_added')), [
    row(unpacked, 'Unpacked PE Image', 'a.exe', '8'),
    row(injected, 'Injected', 'b.exe', '9,10'),
    row(dump, '', 'a.exe', '8'),
  ])
  assert.equal(made.rows('file_added').length, 1)
  const uploads = made.crits.journal.filter(({ method, path }) => `${method} ${path}` === 'POST /api/v1/samples/')
  assert.equal(uploads.length, 3)
  assert.deepEqual(
    made.object.relationships.map(({ relationship }) => relationship),
    ['Dropped', 'Dropped', 'Dropped'],
  )
  assert.ok(made.log().includes('1 dropped files, 2 payloads, 2 process dumps, 3 uploaded'))
  assert.deepEqual(made.crits.violations, [])
})

test('process dumps come only where they are asked for', async t => {
  const made = await scene(t, ['payloads'], { artifacts: { formats }, report: CAPE })
  await made.deliver({}).outcome
  assert.equal(made.rows('payload_added').length, 2)
  assert.ok(!made.cuckoo.journal.some(({ path }) => path.includes('procdump')))
})

test('the first screenshots are attached to the sample, by their names; small copies are left out', async t => {
  const names = ['0003.jpg', '0001_small.jpg', '0002.jpg', 'note.txt', '0001.jpg']
  const screenshots = names.map(name => ({ name, content: picture(name) }))
  const made = await scene(t, ['screenshots'], { artifacts: { screenshots }, max: 2 })
  assert.equal((await made.deliver({}).outcome).kind, 'done')
  assert.deepEqual(
    made.crits.screenshots.map(({ filename, md5 }) => [filename, md5]),
    ['0001.jpg', '0002.jpg'].map(name => [name, hash('md5', picture(name))]),
  )
  assert.deepEqual(
    made.object.screenshots,
    made.crits.screenshots.map(({ id }) => id),
  )
  assert.equal(made.analysis().results.length, 0)
})

test('a picture that CRITs cannot read is named, and stops nothing', async t => {
  const contents = [Buffer.from('no picture'), Buffer.from('none either'), picture('c')]
  const screenshots = contents.map((content, at) => ({ name: `000${at + 1}.jpg`, content }))
  const made = await scene(t, ['screenshots'], { artifacts: { screenshots } })
  assert.equal((await made.deliver({}).outcome).kind, 'done')
  assert.match(made.log().join('\n'), /screenshot 0001\.jpg \(MD5 \w+\): /)
  assert.deepEqual(
    made.crits.screenshots.map(({ filename }) => filename),
    ['0003.jpg'],
  )
})

test('what the sandbox has and cannot send is named and left out, in later rounds as well; all else arrives', async t => {
  const made = await scene(t, ['dropped', 'payloads', 'pcap'], {
    artifacts: { pcap: PCAP, formats },
    report: CAPE,
    dropped: [{ name: 'a', content: Buffer.from('MZ a') }],
    next: 'next',
  })
  made.cuckoo.faults.next({ kind: 'status', status: 500, match: { path: '/tasks/report/1/payloads' }, times: Infinity })
  const first = made.deliver({})
  const relayed = await first.outcome
  assert.ok(relayed.kind === 'forward')
  await assert.rejects(async () => relayed.orElse?.(new Error('no such queue')))
  assert.match(made.log().join('\n'), /the archive of payloads could not be downloaded: .*500/)
  assert.deepEqual([made.rows('file_added').length, made.rows('pcap_added').length], [1, 1])
  assert.deepEqual(first.headers.notes.get(PROGRESS)?.skipped, ['1 payloads'])
  made.cuckoo.faults.clear()
  await made.deliver(writeHeaders(first.headers)).outcome
  assert.deepEqual([made.rows('payload_added').length, made.crits.pcaps.length], [0, 1])
  const uploads = made.crits.journal.filter(({ method, path }) => method === 'POST' && /(samples|pcaps)\/$/.test(path))
  assert.equal(uploads.length, 2)
})

test('of several tasks of a sample, one that cannot send its payloads costs those of no other', async t => {
  const made = await scene(t, ['payloads'], { artifacts: { formats }, report: CAPE })
  await analyse(made.cuckoo, made.sample)
  await waitFor(() => made.cuckoo.tasks.get(2)?.status === 'reported', { describe: 'the second report' })
  const match = { path: '/tasks/report/1/payloads' }
  made.cuckoo.faults.next({ kind: 'status', status: 500, match, times: Number.POSITIVE_INFINITY })
  const message = { ...JSON.parse(String(made.messageTo(made.cuckoo.url))), TaskIds: [1, 2] }
  const { outcome } = made.deliver({}, undefined, undefined, Buffer.from(JSON.stringify(message)))
  assert.equal((await outcome).kind, 'done')
  assert.equal(made.rows('payload_added').length, 2)
})

test('a zip of payloads with another password is a mistake of the configuration', async t => {
  const other = { payloads: zip([{ name: 'CAPE/a', content: unpacked }], { password: 'other' }) }
  const made = await scene(t, ['payloads'], { artifacts: { formats: other }, report: CAPE })
  await assert.rejects(made.deliver({}).outcome, { code: 'ARCHIVE_PASSWORD', sharedCause: true })
})

/** A CAPE beside the Cuckoo of the scene, with the same sample as its first task. */
async function capeScene(t: TestContext, EnabledParsers: Parser[], options: CapeOptions) {
  const made = await scene(t, EnabledParsers)
  const cape = await startCape({ analysisTime: 1, ...options })
  t.after(() => cape.close())
  const form = new FormData()
  form.append('file', new Blob([new Uint8Array(made.sample.bytes)]), made.sample.name)
  await fetch(`${cape.url}/tasks/create/file/`, { method: 'POST', body: form })
  await waitFor(() => cape.tasks.get(1)?.status === 'reported', { describe: 'the report' })
  const submitted = () => made.deliver({}, undefined, undefined, made.messageTo(cape.url)).outcome
  return { ...made, cape, submitted }
}

test('everything of a CAPE arrives: dropped files out of a plain zip, payloads and dumps out of encrypted ones', async t => {
  const file = Buffer.from('a file')
  const artefacts = {
    dropped: [{ name: 'a.txt', content: file }],
    ...{ payloads: [unpacked, injected], procdump: [dump], pcap: PCAP, screenshots: [picture('a'), picture('b')] },
  }
  const parsers: Parser[] = ['info', 'dropped', 'payloads', 'procdump', 'pcap', 'screenshots']
  const made = await capeScene(t, parsers, { artefacts: () => artefacts, on: ['procdumpfiles'] })
  assert.equal((await made.submitted()).kind, 'done')
  assert.deepEqual(
    made.rows('file_added').map(({ result }) => result),
    ['a.txt'],
  )
  assert.deepEqual(
    made.rows('payload_added').map(({ result }) => result),
    [unpacked, injected, dump].map(bytes => hash('sha256', bytes)),
  )
  assert.deepEqual([made.crits.pcaps.length, made.crits.screenshots.length], [1, 2])
  assert.deepEqual([made.cape.violations, made.crits.violations], [[], []])
})

test('what is switched off in a CAPE is named with its section, and stops nothing', async t => {
  const artefacts = { dropped: [], payloads: [unpacked], procdump: [dump], pcap: PCAP }
  const parsers: Parser[] = ['dropped', 'payloads', 'procdump', 'pcap']
  const made = await capeScene(t, parsers, { artefacts: () => artefacts })
  assert.equal((await made.submitted()).kind, 'done')
  const sentence =
    /the archive of process dumps could not be downloaded: .*under \[procdumpfiles\] in its conf\/api\.conf/
  assert.match(made.log().join('\n'), sentence)
  assert.deepEqual([made.rows('payload_added').length, made.rows('pcap_added').length], [1, 1])
})
