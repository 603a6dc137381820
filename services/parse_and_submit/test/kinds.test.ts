// Reports of every kind of sandbox, recognised by what they are: the Cuckoo that hands them out is always the same.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import {
  type CuckooVersion,
  capeReport,
  makeReport,
  memoryBody,
  pythonJson,
  sampleFacts,
} from '@cuckoo-distributed/testing'
import type { Config, Parser } from '../src/config.js'
import { callRow, SAME_ROWS, SAME_RUN } from './same-run.js'
import { submitterScene } from './submitter.js'

const REPORT: Parser[] = ['info', 'signatures', 'behavior', 'network', 'configs', 'detections']
const MD5 = SAME_RUN.CAPE.target.file.md5
const OTHER = createHash('md5').update('a member').digest('hex')

/** The rows and the log lines in CRITs of a sample with this report. */
async function submitted(
  t: TestContext,
  report: unknown,
  change: Partial<Config> | ((url: string) => Partial<Config>) = {},
) {
  const text = typeof report === 'string' ? report : JSON.stringify(report)
  const keys = (url: string) => ({
    EnabledParsers: REPORT,
    ...(typeof change === 'function' ? change(url) : change),
  })
  const scene = await submitterScene(t, keys, { standIns: { cuckoo: { report: () => memoryBody(text) } } })
  const outcome = await scene.deliver({}).outcome
  assert.equal(outcome.kind, 'done')
  assert.deepEqual(scene.crits.violations, [])
  const { results, log } = scene.analysis()
  const rows = results.map(row => Object.fromEntries(Object.entries(row)))
  const of = (...subtypes: string[]) => rows.filter(({ subtype }) => subtypes.includes(String(subtype)))
  return { rows, of, log: log.map(({ message }) => message.replace(/^.*?: /, '')) }
}

for (const [sandbox, report] of Object.entries(SAME_RUN)) {
  test(`a report of ${sandbox} gives the rows that all give of the same run`, async t => {
    const parsers: Parser[] = ['info', 'signatures', 'behavior', 'network']
    const { rows, log } = await submitted(t, report, { EnabledParsers: parsers })
    assert.deepEqual(rows, [...SAME_ROWS, callRow(sandbox as keyof typeof SAME_RUN)])
    assert.ok(log.includes('analysed with the package "exe"'))
    assert.ok(log.includes('the sandbox reports an error: a timeout'))
    assert.ok(!log.some(line => /archive|never ran|is that of/.test(line)), log.join('\n'))
  })

  test(`a report of ${sandbox} gives nothing of the new parsers unless they are on`, async t => {
    const { rows } = await submitted(t, report, { EnabledParsers: ['info', 'signatures', 'behavior'] })
    const subtypes = new Set(rows.map(({ subtype }) => subtype))
    const usual = ['info', 'signature', 'process', 'file', 'registry_key', 'mutex', 'api_call']
    assert.deepEqual([...subtypes], usual)
  })
}

test('what the stand-ins make of the same sample gives the same rows in all shapes', async t => {
  // The one that every scene has, but with something to ask for.
  const sample = { ...sampleFacts(Buffer.from('MZ a sample http://evil.example/gate http://evil.example/x')), md5: MD5 }
  const made = (version: CuckooVersion) => pythonJson(makeReport(sample, { version, name: 'a.exe' }))
  const reports = [made('1.2'), made('1.3'), made('2.0-dev'), made('2.0'), capeReport(sample, { name: 'a.exe' })]
  const all = []
  for (const report of reports) {
    const { rows } = await submitted(t, report, { EnabledParsers: ['info', 'signatures', 'behavior', 'network'] })
    all.push(rows.filter(({ subtype }) => subtype !== 'api_call'))
  }
  const [first, ...others] = all
  assert.ok(first?.some(({ subtype }) => subtype === 'HTTP Request'))
  for (const rows of others) assert.deepEqual(rows, first)
})

const DETECTIONS = {
  ...SAME_RUN.CAPE,
  CAPE: {
    payloads: [],
    configs: [
      {
        ExampleRAT: {
          C2: ['198.51.100.5:443', 'b.example:80'],
          campaign: 7,
          keys: { 'rc4.key': 'k', list: [{ a: 1 }] },
        },
        _associated_config_hashes: [{ md5: 'no', sha256: 'no' }],
        _associated_analysis_hashes: { md5: 'no' },
      },
    ],
  },
  ttps: [{ signature: 'mutex', ttps: ['T1057', 'T1083'], mbcs: ['OB0001'] }],
  malstatus: 'Malicious',
  detections: [{ family: 'ExampleRAT', details: [{ Yara: 'f1' }, { Suricata: 'ET MALWARE' }] }],
}

test('configurations, families, score and techniques of CAPE are rows, above the signatures', async t => {
  const { rows, of } = await submitted(t, DETECTIONS)
  const config = (key: string, result: string) => ({ subtype: 'config', result, key, family: 'ExampleRAT' })
  assert.deepEqual(of('score', 'detection', 'config', 'ttp'), [
    { subtype: 'score', result: '1.4', status: 'Malicious' },
    { subtype: 'detection', result: 'ExampleRAT', engine: 'Yara' },
    { subtype: 'detection', result: 'ExampleRAT', engine: 'Suricata' },
    config('C2', '198.51.100.5:443'),
    config('C2', 'b.example:80'),
    config('campaign', '7'),
    config('keys.rc4.key', 'k'),
    config('keys.list.a', '1'),
    { subtype: 'ttp', result: 'T1057', signature: 'mutex' },
    { subtype: 'ttp', result: 'T1083', signature: 'mutex' },
  ])
  const order = [...new Set(rows.map(({ subtype }) => subtype))]
  assert.deepEqual(order.slice(0, 6), ['info', 'score', 'detection', 'config', 'signature', 'ttp'])
})

test('score and techniques of Cuckoo 2.0 are rows, too', async t => {
  const [first, second] = SAME_RUN['Cuckoo 2.0.7'].signatures
  const signatures = [{ ...first, ttp: { T1057: { short: 'Process Discovery', long: '…' } } }, second]
  const report = { ...SAME_RUN['Cuckoo 2.0.7'], signatures }
  const { of } = await submitted(t, report, { EnabledParsers: ['detections'] })
  assert.deepEqual(of('score', 'ttp', 'signature', 'info'), [
    { subtype: 'score', result: '1.4', status: '' },
    { subtype: 'ttp', result: 'T1057', signature: 'mutex' },
  ])
})

test('a report without calls, as CAPE makes it beside the full one, has its processes from their tree', async t => {
  const { CAPE, procdump, info, signatures, dropped, target, network, malscore, ttps, behavior } = SAME_RUN.CAPE
  const child = { name: 'cmd.exe', pid: 2020, parent_id: 1888, module_path: 'C:\\cmd.exe', children: [], threads: [] }
  const processtree = [{ name: 'a.exe', pid: 1888, parent_id: 1412, children: [child], threads: ['1892'], environ: {} }]
  const parts = { ttps, info, malscore, target, network, CAPE, signatures, dropped, procdump }
  const { rows } = await submitted(t, { ...parts, behavior: { summary: behavior.summary, processtree } })
  const untimed = (row: object) => ('first_seen' in row ? { ...row, first_seen: '' } : row)
  const [info1, ...others] = SAME_ROWS.map(untimed)
  assert.deepEqual(rows, [info1, { subtype: 'score', result: '1.4', status: '' }, ...others])
})

test('a sample that never ran, errors of the sandbox and a missing behavior are told', async t => {
  const errors = Array.from({ length: 25 }, (_, index) => `error ${index}`)
  const { behavior: _, ...rest } = SAME_RUN.CAPE
  const { log } = await submitted(t, { ...rest, malstatus: 'Failed', debug: { errors: ['x'.repeat(900), ...errors] } })
  assert.ok(log.includes('the sample never ran ("malstatus" is "Failed")'), log.join('\n'))
  assert.ok(log.includes('the report has no "behavior"'))
  assert.ok(log.includes('the sandbox reports an error: error 18'))
  assert.ok(!log.includes('the sandbox reports an error: error 19'))
  assert.ok(log.includes('the sandbox reports 6 more errors'))
  assert.ok(log.some(line => /: x{500}… \(cut, 900 characters\)$/.test(line)))
})

const unpacked = (parent: unknown) => ({
  ...SAME_RUN.CAPE,
  target: { category: 'file', file: { name: 'member.exe', md5: OTHER } },
  info: { ...SAME_RUN.CAPE.info, parent_sample: parent },
})

test('a file that was taken out of the sample is no wrong sample, and CRITs is told', async t => {
  for (const parent of [{ id: 3, md5: MD5, sha256: 's' }, { sha256: 's' }]) {
    const { of, log } = await submitted(t, unpacked(parent))
    assert.equal(of('info').length, 1)
    const line = `the sample is an archive: the file with MD5 ${OTHER} was taken out of it and analysed in its place`
    assert.ok(log.includes(line), log.join('\n'))
  }
  for (const parent of [null, false, {}, { id: 3, md5: createHash('md5').update('another').digest('hex') }]) {
    await assert.rejects(submitted(t, unpacked(parent)), { code: 'WRONG_SAMPLE' }, JSON.stringify(parent))
  }
})

test('an instance for dropped files only asks the report where a foreign file comes from', async t => {
  for (const [parent, code] of [
    [{ md5: MD5, sha256: 's' }, undefined],
    [null, 'WRONG_SAMPLE'],
  ] as const) {
    const report = () => memoryBody(JSON.stringify(unpacked(parent)))
    const scene = await submitterScene(t, { EnabledParsers: ['dropped'] }, { standIns: { cuckoo: { report } } })
    const task = scene.cuckoo.tasks.get(1)
    assert.ok(task?.sample)
    Object.assign(task.sample, { md5: OTHER })
    const { outcome } = scene.deliver({})
    if (code === undefined) assert.equal((await outcome).kind, 'done')
    else await assert.rejects(outcome, { code })
  }
})

test('files that CAPE names by their hash have the names of the report, whether the report is parsed or not', async t => {
  const contents = ['MZ one', 'MZ two', 'MZ three'].map(text => Buffer.from(text))
  const [one, two, three] = contents.map(bytes => createHash('sha256').update(bytes).digest('hex'))
  const dropped = [
    { name: ['one.tmp', 'other.tmp'], guest_paths: ['C:\\one.tmp', 'C:\\other.tmp'], sha256: one, md5: 'x' },
    { name: 'two.dll', sha256: two?.toUpperCase() },
    { name: [], sha256: three },
  ]
  const archive = [one, two, three].map((name, index) => ({ name: String(name), content: contents[index] ?? '' }))
  const cuckoo = {
    report: () => memoryBody(JSON.stringify({ ...SAME_RUN.CAPE, dropped })),
    dropped: () => archive.map(({ name, content }) => ({ name, content: Buffer.from(content) })),
  }
  for (const EnabledParsers of [['dropped'], ['info', 'dropped']] satisfies Parser[][]) {
    const scene = await submitterScene(t, { EnabledParsers }, { standIns: { cuckoo } })
    assert.equal((await scene.deliver({}).outcome).kind, 'done')
    const rows = scene.analysis().results.filter(({ subtype }) => subtype === 'file_added')
    const names = rows.map(({ result }) => result)
    assert.deepEqual(names, ['one.tmp', 'two.dll', three])
    assert.ok([...scene.crits.samples.values()].some(sample => sample.filename === 'one.tmp'))
    assert.equal(scene.cuckoo.journal.filter(({ path }) => /^\/tasks\/report\/1$/.test(path)).length, 1)
  }
})

test('a task that was started again has another number in its report, which is told and used', async t => {
  const { of, log } = await submitted(t, { ...SAME_RUN.CAPE, info: { ...SAME_RUN.CAPE.info, id: 77 } })
  assert.ok(log.includes('the report is that of analysis 77'), log.join('\n'))
  assert.equal(of('info')[0]?.analysis_id, '77')
})

test('a sandbox with a web interface gets a link in place of the number', async t => {
  const map = (cuckooUrl: string) => ({
    SandboxWebURLs: { [`${cuckooUrl}/`]: 'https://cape.example/ui/', 'http://other': 'http://no' },
  })
  const { of } = await submitted(t, SAME_RUN.CAPE, map)
  const { subtype, result, ...fields } = of('info')[0] ?? {}
  assert.deepEqual(fields, {
    started: '2020-03-22 16:42:01',
    ended: '2020-03-22 16:44:10',
    'analysis link': 'https://cape.example/ui/analysis/1/',
  })
  const others = await submitted(t, SAME_RUN.CAPE, { SandboxWebURLs: { 'http://other': 'http://no' } })
  assert.equal(others.of('info')[0]?.analysis_id, '1')
})

test('what Python writes beyond JSON changes no row', async t => {
  const text = JSON.stringify({ ...DETECTIONS, malscore: 'score' })
    .replace('"score"', 'NaN')
    .replace(':7', ':Infinity')
  const { of } = await submitted(t, text)
  assert.deepEqual(of('score'), [])
  assert.deepEqual(
    of('config').map(({ key }) => key),
    ['C2', 'C2', 'keys.rc4.key', 'keys.list.a'],
  )
})

test('an empty report, and one that stays cut, fail the message', async t => {
  const whole = JSON.stringify(SAME_RUN.CAPE)
  for (const text of ['', whole.slice(0, -100)]) {
    await assert.rejects(submitted(t, text, { HoldLimit: 2 }), { code: 'truncated' })
  }
})
