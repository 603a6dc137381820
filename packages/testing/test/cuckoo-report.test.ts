import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { gunzipSync } from 'node:zlib'
import { collect } from '../src/archive/index.js'
import {
  bigReport,
  type CuckooVersion,
  makeReport,
  PythonFloat,
  pythonJson,
  reportText,
  sampleFacts,
} from '../src/cuckoo/index.js'
import { bunzip2, members } from './archives.js'
import { create, reported, send, start } from './cuckoo-client.js'

const filesOf = async (archive: Buffer) => (await members(archive)).filter(({ type }) => type === 'file')
const md5 = (content: Buffer | string): string => createHash('md5').update(content).digest('hex')
const SAMPLE = Buffer.from('MZ\x90\0 this program http://evil.example/ \0\0 Software key \x01 mutex name', 'latin1')

test('JSON text is laid out as CPython 2 lays it out', () => {
  const value = {
    a: [1, new PythonFloat(2), new PythonFloat(0.5), null, true],
    'ä"': 'é\u0001\u007f☃😀\ud800\\',
    empty: {},
    none: [],
  }
  assert.equal(
    pythonJson(value),
    '{\n    "a": [\n        1, \n        2.0, \n        0.5, \n        null, \n        true\n    ], \n    "\\u00e4\\"": "\\u00e9\\u0001\\u007f\\u2603\\ud83d\\ude00\\ud800\\\\", \n    "empty": {}, \n    "none": []\n}',
  )
  assert.equal(pythonJson({ b: 1, a: [2] }, { indent: 0, sortKeys: true }), '{"a": [2], "b": 1}')
})

/** The keys of genuine reports, in their order. */
const KEYS: Readonly<
  Record<'1.2' | '2.0', { top: string; behaviour: string; process: string; call: string; dropped: string }>
> = {
  '1.2': {
    top: 'info signatures procmemory static dropped network behavior debug strings target',
    behaviour: 'processtree processes anomaly enhanced summary',
    process: 'parent_id process_name process_id first_seen calls',
    call: 'category status return timestamp thread_id repeated api arguments id',
    dropped: 'yara sha1 name type sha256 crc32 path ssdeep size sha512 md5',
  },
  '2.0': {
    top: 'info signatures target network static dropped behavior debug screenshots strings metadata',
    behaviour: 'generic apistats processes processtree summary',
    process: 'process_path calls modules time tid type track pid process_name command_line first_seen ppid',
    call: 'category status stacktrace api return_value arguments time tid flags',
    dropped: 'yara sha1 name type sha256 urls crc32 path ssdeep size sha512 md5',
  },
}
for (const version of ['1.2', '2.0'] as const) {
  test(`${version}: a report has the keys of a genuine one and is about its sample`, () => {
    const text = reportText(makeReport(SAMPLE, { version, calls: 20 })).toString()
    const report = JSON.parse(text)
    const keys = (value: object): string => Object.keys(value).join(' ')
    const [process] = report.behavior.processes
    assert.equal(keys(report), KEYS[version].top)
    assert.equal(keys(report.behavior), KEYS[version].behaviour)
    assert.equal(keys(process), KEYS[version].process)
    assert.equal(keys(process.calls[0]), KEYS[version].call)
    assert.equal(keys(report.dropped[0]), KEYS[version].dropped)
    assert.equal(report.target.file.md5, md5(SAMPLE))
    assert.equal(report.target.file.size, SAMPLE.length)
    assert.equal(report.behavior.processes.flatMap((run: { calls: unknown[] }) => run.calls).length, 20)
    assert.ok(/^[\n -~]*$/.test(text), 'pure ASCII')
  })
}

test('the values have the types of each version', () => {
  const old = JSON.parse(pythonJson(makeReport(SAMPLE)))
  const later = JSON.parse(pythonJson(makeReport(SAMPLE, { version: '2.0' })))
  const [oldProcess, laterProcess] = [old.behavior.processes[0], later.behavior.processes[0]]
  assert.match(old.info.started, /^2015-12-01 10:00:00$/)
  assert.equal(later.info.started, Date.UTC(2015, 11, 1, 10) / 1000)
  assert.match(oldProcess.calls[0].timestamp, /^2015-12-01 10:00:00,010$/)
  assert.equal(oldProcess.calls[0].thread_id, '1234')
  assert.equal(oldProcess.calls[0].return, '0x00000000')
  assert.deepEqual(oldProcess.calls[0].arguments[2], { name: 'CreateDisposition', value: '5' })
  assert.equal(laterProcess.calls[0].arguments.create_disposition, 5)
  assert.equal(laterProcess.calls[0].status, 1)
  assert.equal(laterProcess.calls[0].time, Date.UTC(2015, 11, 1, 10) / 1000 + 0.01)
})

test('different samples give different reports, the same sample the same', () => {
  const [one, again, other] = ['first', 'first', 'second'].map(text => makeReport(Buffer.from(`MZ ${text} sample`)))
  assert.deepEqual(one, again)
  const summary = (report: typeof one) => JSON.stringify(JSON.parse(pythonJson(report ?? null)).behavior.summary)
  assert.notEqual(summary(one), summary(other))
})

test('a failed analysis is reported without behaviour: empty sections in 1.x, none in 2.0', () => {
  const errors = ['The analysis hit the critical timeout, terminating.']
  const old = JSON.parse(pythonJson(makeReport(SAMPLE, { errors })))
  const later = JSON.parse(pythonJson(makeReport(SAMPLE, { errors, version: '2.0' })))
  assert.deepEqual([old.dropped, old.behavior.processes, old.debug.errors], [[], [], errors])
  assert.deepEqual(['dropped' in later, 'behavior' in later, later.debug.errors], [false, false, errors])
  assert.deepEqual(later.info.machine, {})
})

for (const [version, query, unpack] of [
  ['1.2', '', bunzip2],
  ['1.2', '?tar=gz', bunzip2],
  ['1.3', '?tar=gz', gunzipSync],
  ['2.0', '', bunzip2],
  ['2.0', '?tar=rar', bunzip2],
  ['2.0', '?tar=gz', gunzipSync],
  ['2.0', '?tar=tar', (body: Buffer) => body],
] as const) {
  test(`${version}: dropped${query} holds the files that the report lists`, async t => {
    const cuckoo = await start(t, { version: version as CuckooVersion })
    await create(cuckoo.url, { content: SAMPLE })
    await reported(cuckoo, 1)
    const report = JSON.parse((await send(`${cuckoo.url}/tasks/report/1`)).body.toString())
    const answer = await send(`${cuckoo.url}/tasks/report/1/dropped${query}`)
    assert.equal(answer.headers['content-type'], 'application/x-tar; charset=UTF-8')
    const files = await filesOf(unpack(answer.body))
    const listed = report.dropped.map((file: { path: string; md5: string; size: number }) => [
      file.path.split('/analyses/1/')[1],
      file.md5,
      file.size,
    ])
    assert.deepEqual(
      files.map(({ name, content }) => [name, md5(content), content.length]),
      listed,
    )
    assert.ok(
      files.some(({ content }) => content.equals(SAMPLE)),
      'the sample itself',
    )
    assert.ok(
      files.some(({ content }) => content.length === 0),
      'an empty file',
    )
    assert.equal(files.filter(({ name }) => name.endsWith('readme.txt')).length, 2)
    assert.ok(
      files.some(({ name }) => name.endsWith('n\xc3\xa4me with space.dat')),
      'raw UTF-8 bytes',
    )
    const layout = version === '2.0' ? /^files\/[0-9a-f]{16}_[^/]+$/ : /^files\/\d{9,10}\/[^/]+$/
    assert.ok(files.every(({ name }) => layout.test(name)))
  })
}

test('no dropped files give an archive with an empty folder, no folder an empty archive', async t => {
  const cuckoo = await start(t, { dropped: task => (task.id === 1 ? [] : null) })
  await create(cuckoo.url)
  await create(cuckoo.url)
  await reported(cuckoo, 2)
  const [folder, nothing] = await Promise.all(
    [1, 2].map(async id => bunzip2((await send(`${cuckoo.url}/tasks/report/${id}/dropped`)).body)),
  )
  assert.equal(folder?.toString('latin1', 0, 7), 'files/\0')
  assert.deepEqual(nothing, Buffer.alloc(10_240))
})

test('names that are not UTF-8 go into the archive as they are, and into the report as Latin-1', async t => {
  const dropped = [{ name: Buffer.from('\xe4latin1.bin', 'latin1'), content: Buffer.from('x') }]
  const cuckoo = await start(t, { dropped: () => dropped })
  await create(cuckoo.url)
  await reported(cuckoo, 1)
  const [file] = await filesOf(bunzip2((await send(`${cuckoo.url}/tasks/report/1/dropped`)).body))
  assert.ok(file?.name.endsWith('/\xe4latin1.bin'))
  assert.equal(
    JSON.parse((await send(`${cuckoo.url}/tasks/report/1`)).body.toString()).dropped[0].name,
    '\xe4latin1.bin',
  )
})

for (const version of ['1.2', '2.0', 'CAPE'] as const) {
  for (const format of ['pretty', 'compact', 'minified'] as const) {
    test(`${version}, ${format}: a big report is valid, as long as asked for, repeatable, and about the given sample`, async () => {
      const sample = sampleFacts(SAMPLE)
      const options = { bytes: 1_500_000, seed: 7, format, version, sample }
      const text = await collect(bigReport(options))
      assert.ok(text.length >= options.bytes && text.length < options.bytes + 10_000)
      assert.deepEqual(await collect(bigReport(options)), text)
      const report = JSON.parse(text.toString())
      assert.equal(text.includes('\n'), format === 'pretty')
      if (format === 'minified') assert.equal(text.toString(), JSON.stringify(report))
      assert.equal(report.target.file.md5, sample.md5)
      const [first, second] = report.behavior.processes
      assert.ok(first.calls.length > 300 && second.calls.length > 300)
      if (version !== '2.0') assert.deepEqual([first.calls[0].id, first.calls[9].id, second.calls[0].id], [0, 9, 0])
      assert.notDeepEqual(await collect(bigReport({ ...options, seed: 8 })), text)
    })

    test(`${version}, ${format}: a big report may hold one long string`, async () => {
      for (const place of ['unwanted', 'argument'] as const) {
        const options = { bytes: 1_500_000, format, version, longString: { place, bytes: 1_000_001 } }
        const text = await collect(bigReport(options))
        assert.ok(text.length >= options.bytes && text.length < options.bytes + 10_000)
        const report = JSON.parse(text.toString())
        const [call] = report.behavior.processes[0].calls
        const found = place === 'unwanted' ? report.comment : (call.arguments.buffer ?? call.arguments[0].value)
        assert.equal(found, 'x'.repeat(1_000_001))
      }
    })
  }
}
