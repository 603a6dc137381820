// Reports of every kind of sandbox, recognised by what they are: the Cuckoo that hands them out is always the same.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CuckooVersion, capeReport, makeReport, pythonJson, sampleFacts } from '@cuckoo-distributed/testing'
import type { Parser } from '../src/config.js'
import { SAME_ROWS, SAME_RUN } from './same-run.js'
import { submitted } from './submitted.js'

const MD5 = SAME_RUN.CAPE.target.file.md5

for (const [sandbox, report] of Object.entries(SAME_RUN)) {
  test(`a report of ${sandbox} gives the rows that all give of the same run`, async t => {
    const parsers: Parser[] = ['info', 'signatures', 'behavior', 'network']
    const { rows, log } = await submitted(t, report, { EnabledParsers: parsers })
    assert.deepEqual(rows, SAME_ROWS)
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
  const calls: Record<string, unknown>[][] = []
  for (const report of reports) {
    const { rows } = await submitted(t, report, { EnabledParsers: ['info', 'signatures', 'behavior', 'network'] })
    all.push(rows.filter(({ subtype }) => subtype !== 'api_call'))
    calls.push(rows.filter(({ subtype }) => subtype === 'api_call'))
  }
  const [first, ...others] = all
  assert.ok(first?.some(({ subtype }) => subtype === 'HTTP Request'))
  for (const rows of others) assert.deepEqual(rows, first)
  const [ofFirst, ofSecond, ...ofLater] = calls
  assert.ok(ofFirst && ofFirst.length > 1)
  assert.deepEqual([ofSecond, ofLater.at(-1)], [ofFirst, ofFirst], '1.2, 1.3 and CAPE')
  // 2.0 names arguments in its own way, and lists a repeated call each time (decision 0064).
  const bare = (rows: readonly object[]) => rows.map(row => ({ ...row, arguments: [], repeated: 0 }))
  for (const rows of ofLater) assert.deepEqual(bare(rows), bare(ofFirst))
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

test('a request without a URI has no row but that of its user agent', async t => {
  const network = { http: [{ uri: '', 'user-agent': 'A' }, { uri: 'u' }, { uri: null, 'user-agent': 'A' }] }
  const { of } = await submitted(t, { network }, { EnabledParsers: ['network'] })
  const results = of('HTTP Request', 'User-Agent').map(({ result }) => result)
  assert.deepEqual(results, ['u', 'A', 'A'])
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
  const [info1, ...others] = SAME_ROWS.filter(({ subtype }) => subtype !== 'api_call').map(untimed)
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
  const others = await submitted(t, rest, { EnabledParsers: ['info'] })
  assert.ok(!others.log.some(line => line.includes('"behavior"')))
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
