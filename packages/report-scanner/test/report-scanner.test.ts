import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonError, type ScanOptions, scanReport } from '../src/index.js'
import { toCall } from '../src/normalise.js'
import { found, OPTIONS, Rows, scan } from './collect.js'
import { CAPE, CAPE_ROWS, CUCKOO_12, CUCKOO_12_ROWS, CUCKOO_20, CUCKOO_20_ROWS } from './reports.js'

const reportError =
  (code: string, offset?: number) =>
  (error: unknown): boolean =>
    error instanceof JsonError && error.code === code && (offset === undefined || error.offset === offset)

const REPORTS = [
  ['Cuckoo 1.2', CUCKOO_12, CUCKOO_12_ROWS],
  ['Cuckoo 2.0', CUCKOO_20, CUCKOO_20_ROWS],
  ['CAPE', CAPE, CAPE_ROWS],
] as const

for (const [sandbox, report, expected] of REPORTS) {
  test(`a report of ${sandbox} has the same rows wherever it is cut`, () => {
    const bytes = Buffer.from(report)
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(found(scan(bytes, { cuts: [cut] }).rows), expected, `cut at ${cut}`)
    }
    const everywhere = Array.from(bytes, (_, index) => index)
    assert.deepEqual(found(scan(bytes, { cuts: everywhere }).rows), expected)
  })

  test(`a report of ${sandbox} without white space or with much of it has the same rows`, () => {
    const parsed: unknown = JSON.parse(report.replaceAll(/: ?(-?\d{16,})/g, ':"$1"'))
    for (const text of [JSON.stringify(parsed), JSON.stringify(parsed, null, 8), report.replaceAll('\n', '\r\n\t')]) {
      assert.deepEqual(found(scan(text).rows), expected)
    }
  })

  test(`a report of ${sandbox} that is truncated at any byte is an error`, () => {
    const bytes = Buffer.from(report)
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => scan(bytes.subarray(0, length)), reportError('truncated', length))
    }
  })
}

test('arbitrary content in unwanted places changes nothing', () => {
  const junk = fc.jsonValue({ maxDepth: 4 })
  const shuffled = (object: Record<string, unknown>, order: number): Record<string, unknown> => {
    const entries = Object.entries(object)
    return Object.fromEntries([...entries.slice(order % entries.length), ...entries.slice(0, order % entries.length)])
  }
  const property = fc.property(
    fc.array(junk, { minLength: 5, maxLength: 5 }),
    fc.nat(),
    fc.array(fc.nat()),
    fc.constantFrom(0, 2),
    (values, order, places, indent) => {
      const [a, b, c, d, e] = values
      const signature = shuffled({ marks: a, name: 'n', data: b, severity: 1, description: 'd' }, order)
      const process = shuffled(
        { modules: b, calls: [{ api: 'A', stacktrace: c }], x: d, process_name: 'p', process_id: 1 },
        order,
      )
      const behavior = shuffled(
        {
          generic: c,
          processes: [process],
          enhanced: e,
          summary: shuffled({ guid: a, files: ['f'], keys: a === null ? null : [] }, order),
        },
        order,
      )
      const report = shuffled(
        {
          network: a,
          info: shuffled({ id: 1, options: e, machine: 'm' }, order),
          static: d,
          signatures: [signature],
          behavior,
        },
        order,
      )
      const bytes = Buffer.from(JSON.stringify(report, null, indent))
      const cuts = places.map(place => place % (bytes.length + 1)).sort((x, y) => x - y)
      const { rows, summary, unread } = scan(bytes, { cuts })
      assert.deepEqual(rows.info, { id: '1', started: '', ended: '', machine: 'm', package: '', parent: undefined })
      assert.deepEqual(rows.signatures, [{ name: 'n', description: 'd', severity: '1' }])
      assert.deepEqual(rows.processes, [{ name: 'p', pid: '1', parentPid: '', firstSeen: '' }])
      assert.deepEqual(
        rows.calls.map(call => [call.api, call.process]),
        [['A', 'p (1)']],
      )
      assert.deepEqual(rows.files, ['f'])
      assert.deepEqual([summary.trailingBytes, unread, summary.cutValues], [0, 0, 0])
    },
  )
  fc.assert(property)
})

test('arbitrary elements in a list of calls give what JSON.parse gives, wherever the report is cut', () => {
  const element = fc.oneof(
    fc.record({
      api: fc.string({ unit: 'binary' }),
      arguments: fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 3 }),
    }),
    fc.jsonValue({ maxDepth: 2 }),
  )
  const property = fc.property(
    fc.array(element),
    fc.nat(8),
    fc.array(fc.nat()),
    fc.constantFrom(0, 4),
    (elements, maxCalls, places, indent) => {
      const process = { process_name: 'p', process_id: 1, calls: elements }
      const report = Buffer.from(JSON.stringify({ behavior: { processes: [process] }, info: { id: 7 } }, null, indent))
      if (/\d{16}/.test(report.toString())) return // JSON.parse loses digits
      const cuts = places.map(place => place % (report.length + 1)).sort((a, b) => a - b)
      const parsed: unknown[] = JSON.parse(JSON.stringify(elements))
      const objects = parsed.filter(value => toCall(value, 0, text => text) !== undefined)
      const calls = objects.flatMap((value, index) => toCall(value, index, text => text) ?? []).slice(0, maxCalls)
      const { rows } = scan(report, { cuts, maxCalls })
      assert.deepEqual(
        rows.calls,
        calls.map(call => ({ ...call, process: 'p (1)' })),
      )
      assert.equal(rows.info?.id, '7')
    },
  )
  fc.assert(property)
})

test('sections that are not wanted are skipped', () => {
  const always = ['info', 'target', 'verdict']
  for (const [section, names] of [
    ['signatures', ['signatures']],
    ['behavior', ['calls', 'files', 'keys', 'mutexes', 'processes']],
    ['network', ['domains', 'hosts', 'requests']],
    ['configs', ['configs']],
    ['detections', ['detections', 'techniques']],
    ['files', ['stored']],
  ] as const) {
    const { rows } = scan(CAPE, { sections: { [section]: true } })
    assert.deepEqual(Object.keys(found(rows)).sort(), [...always, ...names].sort(), section)
  }
})

test('no more calls than asked for are passed on, over all processes', () => {
  const process = (pid: number): object => ({
    process_name: 'p',
    process_id: pid,
    calls: [{ api: 'a' }, { api: 'b' }, { api: 'c' }],
  })
  const late = (pid: number): object => ({ calls: [{ api: 'a' }, { api: 'b' }, { api: 'c' }], process_name: 'p', pid })
  for (const make of [process, late]) {
    const report = JSON.stringify({ behavior: { processes: [make(1), make(2), make(3)], summary: { files: ['f'] } } })
    for (const [maxCalls, expected] of [
      [0, []],
      [2, ['a1', 'b1']],
      [4, ['a1', 'b1', 'c1', 'a2']],
      [9, ['a1', 'b1', 'c1', 'a2', 'b2', 'c2', 'a3', 'b3', 'c3']],
    ] as const) {
      const { rows, summary } = scan(report, { maxCalls })
      assert.deepEqual(
        rows.calls.map(call => call.api + call.process.slice(3, -1)),
        expected,
      )
      assert.deepEqual([summary.calls, rows.processes.length, rows.files], [expected.length, 3, ['f']])
    }
  }
})

test('bytes behind the end are counted and tolerated, white space is not counted', () => {
  assert.equal(scan('{} \r\n\t').summary.trailingBytes, 0)
  for (const cuts of [[], [2], [3], [4]]) {
    const { summary } = scan('{} \n{"a":1}\n', { cuts })
    assert.deepEqual([summary.trailingBytes, summary.bytes], [8, 12])
  }
  assert.equal(scan(`${CUCKOO_12}${CUCKOO_12.slice(-20)}`).summary.trailingBytes, 20)
})

test('a byte-order mark and white space may come first', () => {
  for (const cuts of [[], [1], [2], [3], [1, 2, 3, 4]]) {
    assert.equal(scan('\ufeff \n{"info":{"id":5}}', { cuts }).rows.info?.id, '5')
  }
})

test('what is no JSON object is quoted in the error, cut to 200 characters', () => {
  const page = `\n<html>\u0007${'x'.repeat(5000)}</html>`
  for (const [cuts, excerpt] of [
    [[], `<html> ${'x'.repeat(193)}`],
    [[1], `<html> ${'x'.repeat(193)}`],
    [[9], '<html> x'],
  ] as const) {
    assert.throws(
      () => scan(page, { cuts }),
      (error: unknown) =>
        reportError('not-json', 1)(error) &&
        error instanceof Error &&
        error.message.includes(`begins with: ${excerpt} (`),
    )
  }
  assert.throws(() => scan('null'), reportError('not-json'))
  assert.throws(() => scan('[{"info":{}}]'), reportError('not-json'))
  assert.throws(() => scan(''), reportError('truncated', 0))
  assert.throws(() => scan(' \n'), reportError('truncated', 2))
})

test('broken syntax in wanted parts is an error with its byte offset', () => {
  for (const [report, offset] of [
    ['{"info":}', 8],
    ['{"info" 1}', 8],
    ['{,}', 1],
    ['{"info":{},}', 11],
    ['{"info":{} "a":1}', 11],
    ['{"info":{"id":01x}}', 15],
    ['{"info":{"id":1,}}', 16],
    ['{"info":{"id":"é\\q"}}', 17],
    ['{"signatures":[{},]}', 18],
    ['{"behavior":{"processes":[{"calls":[{"api":"é","id":tru}]}]}}', 53],
  ] as const) {
    for (const cuts of [[], [10], [14, 15, 16]]) {
      assert.throws(() => scan(report, { cuts }), reportError('syntax', offset), report)
    }
  }
})

test('scanReport reads chunks, and its sink may stop it', async () => {
  const rows = new Rows()
  const summary = await scanReport(pieces(CUCKOO_12, 100), OPTIONS, rows)
  assert.deepEqual(found(rows), CUCKOO_12_ROWS)
  assert.equal(summary.bytes, Buffer.byteLength(CUCKOO_12))
  const full = new Error('the sink is full')
  let closed = false
  const source = (async function* () {
    try {
      yield* pieces(CUCKOO_12, 100)
    } finally {
      closed = true
    }
  })()
  const sink = { onSignature: () => assert.fail(full) }
  await assert.rejects(scanReport(source, OPTIONS, sink), full)
  assert.ok(closed)
})

test('an abort ends the wait for the next chunk with its reason', async () => {
  const stop = new AbortController()
  const reason = new Error('stopped')
  const hanging = (async function* () {
    yield Buffer.from('{"info":')
    queueMicrotask(() => stop.abort(reason))
    await new Promise(() => undefined)
  })()
  await assert.rejects(scanReport(hanging, { ...OPTIONS, signal: stop.signal }, new Rows()), reason)
  await assert.rejects(scanReport(pieces('{}', 1), { ...OPTIONS, signal: stop.signal }, new Rows()), reason)
})

test('a limit too small to hold the names of a report is refused', () => {
  const options: ScanOptions = { ...OPTIONS, maxValueBytes: 255 }
  assert.throws(() => scan('{}', options), RangeError)
})

async function* pieces(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let pos = 0; pos < bytes.length; pos += size) yield bytes.subarray(pos, pos + size)
}
