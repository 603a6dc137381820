// Whatever a report holds, and whatever files are called: the rows that come of it are rows for a strict CRITs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CritsServer, type CritsTarget, RowStore, submitRows } from '@cuckoo-distributed/crits-client'
import { JsonError, ReportScanner } from '@cuckoo-distributed/report-scanner'
import {
  capeReport,
  type Damage,
  damagedJson,
  fuzzing,
  makeReport,
  pythonJson,
  runCritsService,
  sampleFacts,
  startCrits,
} from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { ReportRows } from '../src/report-rows.js'

const SAMPLE = Buffer.from('MZ a sample C:\\Windows\\a.dll HKEY_LOCAL_MACHINE\\Software\\a http://a.example/b')
const REPORTS = [
  makeReport(SAMPLE, { calls: 4 }),
  makeReport(SAMPLE, { version: '2.0', calls: 4 }),
  capeReport(sampleFacts(SAMPLE), { calls: 4 }),
].map(report => JSON.parse(pythonJson(report)))
const PARSERS = ['info', 'signatures', 'behavior', 'network', 'configs', 'detections'] as const
const SECTIONS = { signatures: true, behavior: true, network: true, configs: true, detections: true }
const OPTIONS = { sections: SECTIONS, maxCalls: 100, maxValueBytes: 65_536 }

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('\ud800', '\0', '\u2028', '"""', "'\\", '{% x %}', '<script>', 'items', '$where', 'a.b', '_cls'),
)
const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 4 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 1 }),
  cut: fc.option(fc.nat(), { freq: 8 }),
})
const names = fc.array(text, { maxLength: 3 })
const report = fc.tuple(fc.constantFrom(...REPORTS), names, damage).map(([genuine, strings, done]) => {
  const { behavior: genuineBehavior, strings: _, statistics: __, dropped: ___, ...others } = genuine
  const { summary, processes } = genuineBehavior
  const lists = { files: strings, keys: strings, mutexes: strings, file_created: strings, mutex: strings }
  const behavior = { processes, summary: { ...summary, ...lists } }
  const named = { hosts: strings, domains: strings.map(domain => ({ domain, ip: domain })) }
  const network = {
    ...genuine.network,
    http: [...genuine.network.http, ...strings.map(uri => ({ uri, port: uri }))],
    ...named,
  }
  const family = Object.fromEntries(strings.map(text => [text, { [text]: strings }]))
  const found = { CAPE: { configs: [family] }, detections: strings.map(text => ({ family: text, details: [family] })) }
  return damagedJson({ ...others, network, ...found, behavior }, done)
})

/** The rows of a report; those that came before it broke off would never be sent. */
function rowsOf(bytes: Buffer, store: RowStore): boolean {
  const scanner = new ReportScanner(OPTIONS, new ReportRows(store, { parsers: PARSERS }))
  try {
    scanner.push(bytes)
    scanner.end()
    return true
  } catch (error: unknown) {
    assert.ok(error instanceof JsonError, String(error))
    return false
  }
}

test('any report that is read gives rows that a strict CRITs stores, every one of them', async t => {
  const crits = await startCrits()
  t.after(() => crits.close())
  const server = new CritsServer({ baseUrl: new URL(crits.url), verifySsl: true })
  t.after(() => server[Symbol.asyncDispose]())
  const { signal } = new AbortController()
  let submitted = 0
  const property = fc.asyncProperty(report, names, async (bytes, dropped) => {
    const store = new RowStore()
    if (!rowsOf(bytes, store)) return
    for (const name of dropped) store.add({ subtype: 'file_added', result: name, fields: { md5: 'x', size: '1' } })
    const { analysisId, critsData } = runCritsService(crits, { name: 'a', bytes: SAMPLE })
    const target: CritsTarget = {
      username: critsData.username ?? '',
      apiKey: critsData.api_key ?? '',
      objectType: 'Sample',
      objectId: critsData.object_id ?? '',
      analysisId,
    }
    const options = { stopSignal: signal, forceSignal: signal, onConfirmed: () => undefined }
    assert.equal(await submitRows(server.client(target), store, options), 0)
    assert.equal(crits.analyses.get(analysisId)?.results.length, store.rowCount)
    assert.deepEqual(crits.violations, [])
    submitted += store.rowCount
  })
  await fc.assert(property, fuzzing(t, 60))
  assert.ok(submitted > 0)
})
