import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReportScanner } from '../src/index.js'
import { OPTIONS, Rows, scan } from './collect.js'

const withCalls = (calls: string): string =>
  `{"behavior":{"processes":[{"process_name":"p","process_id":1,"calls":${calls}}]}}`
const MIB = 1_048_576

test('the machine is named by string, object, label, or as FAILED', () => {
  for (const [machine, name] of [
    ['"vm"', 'vm'],
    ['""', 'FAILED'],
    ['null', 'FAILED'],
    ['{}', 'FAILED'],
    ['{"name":"n","label":"l"}', 'n'],
    ['{"name":null,"label":"l"}', 'l'],
    ['[1]', 'FAILED'],
  ] as const) {
    assert.equal(scan(`{"info":{"machine":${machine}}}`).rows.info?.machine, name, machine)
  }
})

test('times are kept as text, formatted in UTC from seconds, and empty when missing', () => {
  for (const [value, started, firstSeen] of [
    ['"2015-11-03 10:16:40"', '2015-11-03 10:16:40', '2015-11-03 10:16:40'],
    ['1584895321.138', '2020-03-22 16:42:01', '2020-03-22 16:42:01,138'],
    ['0', '1970-01-01 00:00:00', '1970-01-01 00:00:00,000'],
    ['null', '', ''],
    ['NaN', '', ''],
    ['1e300', '1e+300', '1e+300'],
    ['{}', '', ''],
  ] as const) {
    const { rows } = scan(`{"info":{"started":${value}},"behavior":{"processes":[{"first_seen":${value}}]}}`)
    assert.equal(rows.info?.started, started)
    assert.equal(rows.processes[0]?.firstSeen, firstSeen)
  }
})

test('a section of another type than expected has no rows', () => {
  for (const value of ['null', '1', '"x"', '[]', '[[1],"a",null]', 'true']) {
    const { rows } = scan(
      `{"info":${value},"signatures":${value === '[]' ? '{}' : value},"behavior":${value},"target":${value}}`,
    )
    assert.deepEqual({ ...rows }, { ...new Rows() }, value)
  }
  const nothing = scan('{"behavior":{"processes":null,"summary":null},"signatures":{"a":[]},"target":{"file":null}}')
  assert.deepEqual({ ...nothing.rows }, { ...new Rows() })
  assert.equal(scan('{"behavior":{"processes":[{"calls":null},{"calls":{}},{}]}}').rows.processes.length, 3)
})

test('fields are coerced one by one', () => {
  const { rows } = scan(
    withCalls(`[{"status":"1","return":null,"return_value":7,"thread_id":12,"repeated":"4","id":1.5,"api":5,"category":null,
      "timestamp":"t","arguments":[{"name":"n","value":["a",1]},"bare",{"value":true},null,{"name":3}]}]`),
  )
  assert.deepEqual(rows.calls, [
    {
      category: '',
      status: false,
      return: '0x00000007',
      timestamp: 't',
      thread_id: '12',
      repeated: 4,
      api: '5',
      id: '',
      arguments: [
        { name: 'n', value: '["a",1]' },
        { name: '', value: 'bare' },
        { name: '', value: 'true' },
        { name: '', value: '' },
        { name: '3', value: '' },
      ],
      process: 'p (1)',
    },
  ])
})

test('a call that cannot be used is dropped and counted, never the report', () => {
  const deep = `{"api":"deep","arguments":{"x":${'['.repeat(100)}${']'.repeat(100)}}}`
  const many = `{"api":"large","arguments":[${Array.from({ length: 30 }, () => `"${'x'.repeat(60_000)}"`).join()}]}`
  const { rows, summary, unread } = scan(withCalls(`["text",null,5,[{"api":"no"}],${deep},${many},{"api":"good"}]`))
  assert.deepEqual(
    rows.calls.map(call => call.api),
    ['good'],
  )
  assert.equal(unread, 6)
  assert.deepEqual(
    [...summary.unread],
    [
      ['API calls could not be read: no objects', 4],
      ['API calls could not be read: more than 64 containers in each other', 1],
      ['API calls could not be read: more than 1048576 bytes in one value', 1],
    ],
  )
})

test('what Python writes beyond JSON is tolerated', () => {
  const { rows } = scan(
    withCalls('[{"api":"a\u0001\nb","return":NaN,"return_value":-Infinity,"arguments":{"x":Infinity,"y":"\\ud800"}}]'),
  )
  assert.equal(rows.calls[0]?.api, 'a\u0001\nb')
  assert.equal(rows.calls[0]?.return, '')
  assert.deepEqual(rows.calls[0]?.arguments, [
    { name: 'x', value: '' },
    { name: 'y', value: '\ufffd' },
  ])
  assert.equal(scan('{"static":{"entropy":NaN,"a":-Infinity},"x":NaN,"info":{"id":3}}').rows.info?.id, '3')
})

test('an element that must be looked at by itself changes nothing for those beside it, wherever the report is cut', () => {
  const deep = `{"api":"deep","arguments":{"x":${'['.repeat(80)}${']'.repeat(80)}}}`
  const calls = `[{"api":"1"}, {"api":"2","return":NaN}, "text", ${deep}, {"api":"é"}, {"api":"a\u0001"}, {"return":12345678901234567890}, {"api":"no"}]`
  const files = '["a", "b", NaN, ["c", 12345678901234567890], {"d": 1}, null, "e"]'
  const report = Buffer.from(
    `{"behavior":{"processes":[{"process_name":"p","process_id":1,"calls":${calls}}],"summary":{"files":${files}}}}`,
  )
  for (let cut = 0; cut <= report.length; cut++) {
    const { rows, summary, unread } = scan(report, { cuts: [cut], maxCalls: 5 })
    assert.deepEqual(
      rows.calls.map(call => `${call.api}${call.return}`),
      ['1', '2', 'é', 'a\u0001', '12345678901234567890'],
      `cut at ${cut}`,
    )
    assert.deepEqual([summary.calls, unread], [5, 2])
    assert.deepEqual(rows.files, ['a', 'b', 'c', '12345678901234567890', 'e'])
  }
})

test('a section, or a part of it, that comes twice is an error: nobody can tell which one counts', () => {
  const process = '{"process_name":"p","pid":1,"calls":[{"api":"a"}],"calls":[]}'
  for (const report of [
    '{"info":{"id":1},"info":{"id":2}}',
    '{"info":{"id":1,"id":2}}',
    '{"inf\\u006f":{},"info":{}}',
    '{"signatures":[],"signatures":null}',
    '{"behavior":{"processes":[],"processes":[]}}',
    `{"behavior":{"processes":[${process}]}}`,
    '{"behavior":{"summary":{"files":["a"],"files":["b"]}}}',
    '{"network":{},"network":{}}',
  ]) {
    assert.throws(() => scan(report), { code: 'repeated' }, report)
  }
  assert.equal(scan('{"inf\\u006f":{"id":6}}').rows.info?.id, '6')
  const many = '{"behavior":{"summary":{"file_read":["a","b"],"file_created":["b","c","b"]}},"x":1,"x":2}'
  assert.deepEqual(scan(many).rows.files, ['a', 'b', 'c'])
})

test('the summary tells which sections of a report there are, whether they are wanted or not', () => {
  const sections = {}
  assert.deepEqual(scan('{"x":1,"behavior":{},"info":null,"network":[]}', { sections }).summary.sections, [
    'behavior',
    'info',
    'network',
  ])
  assert.deepEqual(scan('{"error":true,"message":{"info":{}}}').summary.sections, [])
})

test('a wanted string over the limit is cut between characters, says so, and is counted', () => {
  const maxValueBytes = 300
  for (const [unit, character] of [
    ['x', 'x'],
    ['\\u00e9', 'é'],
    ['é', 'é'],
    ['😀', '😀'],
    ['\\"', '"'],
    ['\\\\', '\\'],
  ] as const) {
    const written = unit.repeat(500)
    const bytes = Buffer.byteLength(written)
    const report = withCalls(
      `[{"api":"a","arguments":[{"name":"n","value":"${written}"},{"name":"o","value":"whole"}]}]`,
    )
    for (const cuts of [[], [200], Array.from(Buffer.from(report), (_, index) => index)]) {
      const { rows, summary } = scan(report, { maxValueBytes, cuts })
      const kept = Math.ceil(maxValueBytes / Buffer.byteLength(unit))
      assert.deepEqual(rows.calls[0]?.arguments, [
        { name: 'n', value: `${character.repeat(kept)} [cut: ${bytes} bytes]` },
        { name: 'o', value: 'whole' },
      ])
      assert.equal(summary.cutValues, 1)
    }
  }
})

test('strings of a summary and of a signature are cut too, and a list that is too long as JSON', () => {
  const long = 'y'.repeat(1000)
  const { rows, summary } = scan(
    `{"signatures":[{"description":"${long}"}],"behavior":{"summary":{"files":["${long}"]},"processes":[{"process_name":"p","pid":1,
      "calls":[{"arguments":{"list":[${Array.from({ length: 300 }, () => '"ab"').join()}]}}]}]}}`,
    { maxValueBytes: 256 },
  )
  const cut = `${'y'.repeat(256)} [cut: 1000 bytes]`
  assert.equal(rows.signatures[0]?.description, cut)
  assert.deepEqual(rows.files, [cut])
  assert.match(rows.calls[0]?.arguments[0]?.value ?? '', /^\["ab",.{250} \[cut: 1501 bytes\]$/)
  assert.equal(summary.cutValues, 3)
})

test('huge strings, keys, numbers and depths are read in little memory', () => {
  const piece = Buffer.alloc(MIB, 'z')
  const open = Buffer.alloc(MIB, '[')
  const close = Buffer.alloc(MIB, ']')
  const slashes = Buffer.alloc(MIB, '\\')
  const nines = Buffer.alloc(MIB, '9')
  const times = (bytes: Buffer, count: number): Buffer[] => Array.from({ length: count }, () => bytes)
  const report = [
    ...[
      Buffer.from('{"'),
      ...times(piece, 10),
      Buffer.from('":1,"static":"'),
      ...times(piece, 64),
      Buffer.from('","b":"'),
      ...times(slashes, 16),
    ],
    ...[
      Buffer.from('","bomb":'),
      ...times(open, 8),
      ...times(close, 8),
      Buffer.from(',"info":{"id":'),
      ...times(nines, 4),
    ],
    ...[
      Buffer.from(',"started":"'),
      ...times(piece, 64),
      Buffer.from('"},"behavior":{"processes":[{"calls":[{"arguments":["'),
    ],
    ...[...times(piece, 64), Buffer.from('"]}, {"api":'), ...times(open, 2), ...times(close, 2), Buffer.from('}]}]}}')],
  ]
  {
    const rows = new Rows()
    const scanner = new ReportScanner(OPTIONS, rows)
    let most = 0
    globalThis.gc?.()
    const before = memory()
    for (const bytes of report) {
      scanner.push(bytes)
      most = Math.max(most, memory() - before)
    }
    const summary = scanner.end()
    assert.ok(most < 32 * MIB, `${most} bytes`)
    assert.equal(rows.info?.id, '')
    assert.equal(rows.info?.started.length, OPTIONS.maxValueBytes + ' [cut: 67108864 bytes]'.length)
    assert.equal(rows.calls[0]?.arguments[0]?.value, `${'z'.repeat(OPTIONS.maxValueBytes)} [cut: 67108864 bytes]`)
    assert.deepEqual([summary.cutValues, [...summary.unread.values()]], [2, [1]])
  }
})

const memory = (): number => {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('calls whose process is named behind them are held only up to a limit', () => {
  const call = `{"api":"a","arguments":["${'x'.repeat(60_000)}"]}`
  const calls = `[${Array.from({ length: 300 }, () => call).join()}]`
  const { rows, summary } = scan(`{"behavior":{"processes":[{"calls":${calls},"process_name":"p","pid":1}]}}`)
  assert.equal(rows.calls.length, 139)
  const [[what, count] = []] = summary.unread
  assert.equal(count, 161)
  assert.equal(what, 'API calls could not be read: more than 8388608 bytes of a process that is named behind its calls')
  const few = scan(`{"behavior":{"processes":[{"calls":${calls},"process_name":"p","pid":1}]}}`, { maxCalls: 200 })
  assert.deepEqual([few.rows.calls.length, few.unread], [139, 161])
  const hundred = `{"calls":[${Array.from({ length: 100 }, () => call).join()}],"process_name":"p","pid":1}`
  assert.equal(scan(`{"behavior":{"processes":[${hundred},${hundred}]}}`).rows.calls.length, 200)
})

test('what calls of Cuckoo 2.0 return is written as its bits, and texts stay as they are', () => {
  const values = ['0', '-1073741772', '4294967295', '-4294967296', '-9223372036854775808', '1.5', '"12"', 'null']
  const { rows } = scan(withCalls(`[${values.map(value => `{"api":"a","return_value":${value}}`)}]`))
  assert.deepEqual(
    rows.calls.map(call => call.return),
    ['0x00000000', '0xc0000034', '0xffffffff', '0xffffffff00000000', '0x8000000000000000', '1.5', '12', ''],
  )
})
