import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  critsDataOf,
  decodeFailedMessage,
  decodeTask,
  encodeFailedMessage,
  encodeTask,
  InvalidMessageError,
} from '../src/index.js'

/** What the Go suite's feed_cuckoo writes (cynexit/cuckoo_distributed:lib/lib.go, encoding/json). */
const goTask =
  '{"TaskId":7,"CuckooURL":"http://cuckoo:8090","CritsData":{"crits_url":"","analysis_id":"a-1","object_type":"Sample",' +
  '"object_id":"56686f0e1d41c8731f5e8a01","username":"alice","api_key":"k","md5":"9e107d9d372bb6826bd81d3542a419d6","source":"Internal"}}'

test('a task message is spelt as the Go suite spells it', () => {
  assert.equal(encodeTask(decodeTask(Buffer.from(goTask))).toString(), goTask)
})

test('keys may come in any order, and null counts as none', () => {
  const body = JSON.stringify({
    CritsData: { ...JSON.parse(goTask).CritsData, source: null, crits_url: null, extra: 1 },
    CuckooURL: 'http://c',
    TaskId: 1,
    Extra: true,
  })
  const task = decodeTask(Buffer.from(body))
  assert.equal(task.crits.source, '')
  assert.equal(task.crits.critsUrl, '')
})

test('several sources travel, each once and that of `source` first; one alone is `source`', () => {
  const decoded = (change: object) => {
    const wire = JSON.parse(goTask)
    return decodeTask(Buffer.from(JSON.stringify({ ...wire, CritsData: { ...wire.CritsData, ...change } })))
  }
  const several = decoded({ source: 'B', sources: ['A', '', 'B', 'C', 'A'] })
  assert.deepEqual([several.crits.source, several.crits.sources], ['B', ['B', 'A', 'C']])
  assert.deepEqual(decodeTask(encodeTask(several)), several)
  assert.deepEqual(decoded({ source: null, sources: ['A', 'B'] }).crits.sources, ['A', 'B'])
  for (const change of [
    { sources: ['Internal'] },
    { sources: [] },
    { sources: null },
    { source: '', sources: ['Internal'] },
  ]) {
    assert.equal(encodeTask(decoded(change)).toString(), goTask)
  }
})

const bad: [string, string | Buffer, RegExp][] = [
  ['an empty body', '', /body is empty/],
  ['text that is not JSON', '{"TaskId": 7, secret', /body is not JSON: see line 1, column 15/],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), /body is not UTF-8/],
  ['null', 'null', /body must be an object, not null/],
  ['a missing CritsData', '{"TaskId":7,"CuckooURL":"u"}', /CritsData is missing/],
  ['a text as task id', goTask.replace('7', '"7"'), /TaskId must be an integer, not a text of 1 character$/],
  ['task id 0', goTask.replace('7', '0'), /TaskId must be >= 1/],
  ['an empty analysis id', goTask.replace('a-1', ''), /CritsData.analysis_id is empty/],
  [
    'a text as list of sources',
    goTask.replace('"source"', '"sources":"A","source"'),
    /CritsData.sources must be a list/,
  ],
  ['a number as analysis id', goTask.replace('"a-1"', '5'), /CritsData.analysis_id must be a text, not a number/],
]
for (const [name, body, problem] of bad) {
  test(`${name} is an invalid message that names the field`, () => {
    assert.throws(
      () => decodeTask(Buffer.from(body)),
      (error: unknown) => {
        assert.ok(error instanceof InvalidMessageError)
        assert.match(error.message, problem)
        assert.doesNotMatch(error.message, /secret/)
        return true
      },
    )
  })
}

test('a failed message keeps its body byte for byte', () => {
  const failed = {
    service: 'feed_cuckoo',
    queue: 'worker/feed_cuckoo',
    error: 'e',
    desc: 'd',
    failedAt: '2026-01-01T00:00:00.000Z',
  }
  const body = '{"file":"\u2028 ü \\u00e9 😀"}'
  assert.deepEqual(decodeFailedMessage(encodeFailedMessage(failed, body)), { ...failed, body: Buffer.from(body) })
})

test('a FailedMsg of the Go suite has five fields, and its Msg may be a quoted string', () => {
  const go = { Service: 's', Queue: 'q', Error: 'e', Desc: 'd', Msg: JSON.stringify('{"a":1}') }
  const failed = decodeFailedMessage(Buffer.from(JSON.stringify(go)))
  assert.equal(failed.body.toString(), '{"a":1}')
  assert.equal(failed.failedAt, '')
  assert.deepEqual(decodeFailedMessage(Buffer.from(JSON.stringify({ ...go, FailedAt: null }))), failed)
})

test('a body that is itself a quoted string stays one', () => {
  const failed = { service: 's', queue: 'q', error: 'e', desc: 'd', failedAt: '2026-01-02T03:04:05.678Z' }
  assert.equal(decodeFailedMessage(encodeFailedMessage(failed, '"text"')).body.toString(), '"text"')
})

test('a failed message without a queue is refused: it could only be lost', () => {
  const go = { Service: 's', Queue: '', Error: 'e', Desc: 'd', Msg: 'm' }
  assert.throws(() => decodeFailedMessage(Buffer.from(JSON.stringify(go))), /Queue is empty/)
})

test('an MD5 is compared in lower case', () => {
  assert.equal(
    decodeTask(Buffer.from(goTask.replace('9e107d', '9E107D'))).crits.md5,
    '9e107d9d372bb6826bd81d3542a419d6',
  )
})

test('a byte order mark is no fault', () => {
  assert.equal(decodeTask(Buffer.from(`\ufeff${goTask}`)).taskId, 7)
})

test('the analysis is found although fields are wrong that it can be ended without', () => {
  const { CritsData } = JSON.parse(goTask)
  for (const change of [{ source: ['Internal'] }, { md5: 5 }, { crits_url: {} }, { source: null }, { extra: [] }]) {
    const found = critsDataOf({ ...CritsData, ...change })
    assert.equal(found?.analysisId, 'a-1', JSON.stringify(change))
    assert.deepEqual([found?.objectType, found?.objectId], ['Sample', CritsData.object_id])
    assert.deepEqual([found?.username, found?.apiKey], ['alice', 'k'])
  }
  for (const key of ['analysis_id', 'object_type', 'object_id', 'username', 'api_key']) {
    for (const value of [null, '', 5, undefined]) {
      assert.equal(critsDataOf({ ...CritsData, [key]: value }), undefined, `${key} ${value}`)
    }
  }
})

test('no analysis is invented where there is none', () => {
  for (const data of [undefined, null, {}, [1], 'text', 5]) assert.equal(critsDataOf(data), undefined)
})

test('the kind of the sandbox and further tasks travel beside what the Go suite reads', () => {
  const plain = decodeTask(Buffer.from(goTask))
  assert.deepEqual([plain.sandbox, plain.others], [undefined, undefined])
  const task = { ...plain, sandbox: 'cape', others: [9, 8] }
  const wire = JSON.parse(encodeTask(task).toString())
  assert.deepEqual([wire.TaskId, wire.Sandbox, wire.TaskIds], [7, 'cape', [7, 9, 8]])
  assert.deepEqual(decodeTask(encodeTask(task)), task)
  assert.equal(encodeTask({ ...plain, others: [] }).toString(), encodeTask(plain).toString())
  const other = { ...wire, Sandbox: null, TaskIds: null }
  assert.deepEqual(decodeTask(Buffer.from(JSON.stringify(other))), plain)
  for (const TaskIds of [[0], ['9'], 9, [1.5]]) {
    assert.throws(() => decodeTask(Buffer.from(JSON.stringify({ ...wire, TaskIds }))), /TaskIds/)
  }
})
