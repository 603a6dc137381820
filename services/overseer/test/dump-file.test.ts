import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidMessageError } from '@cuckoo-distributed/core'
import { decodeDump, dumpName, isDumpName } from '../src/dump-file.js'
import { dumpOf, failedFields } from './support.js'

const headers = {
  'x-attempts': 4,
  'x-failures': JSON.stringify([{ at: '2026-01-02T03:04:05.678Z', service: 'check_results', error: 'no answer' }]),
  'x-visited': '["a"]',
  'x-permanent': 1,
  'x-due': 5,
  'x-failed-queue': 'worker/check',
  traceparent: '00-1-2-01',
}

test('a dump is the FailedMsg with its attempts, history and the headers that will travel again', () => {
  const dump = dumpOf({ ...failedFields('worker/check'), body: Buffer.from('{"a":"ä"}') }, headers)
  assert.deepEqual(JSON.parse(dump.toString()), {
    Service: 'check_results',
    Queue: 'worker/check',
    Error: 'no answer',
    Desc: 'HTTP_TIMEOUT',
    Msg: '{"a":"ä"}',
    FailedAt: '2026-01-02T03:04:05.678Z',
    Attempts: 4,
    History: [{ At: '2026-01-02T03:04:05.678Z', Service: 'check_results', Error: 'no answer' }],
    Headers: { 'x-visited': '["a"]', traceparent: '00-1-2-01' },
  })
})

const bodies: [string, Buffer][] = [
  ['JSON', Buffer.from('{"TaskId":1}')],
  ['a byte order mark', Buffer.from('\ufeff{}')],
  ['a quoted string', Buffer.from('"{}"')],
  ['nothing', Buffer.alloc(0)],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x00, 0x7d])],
]
for (const failedAt of ['2026-01-02T03:04:05.678Z', '']) {
  for (const [name, body] of bodies) {
    test(`a body of ${name} comes back from a dump byte for byte${failedAt && ', failed at a known time'}`, () => {
      const dump = dumpOf({ ...failedFields('worker/check', { failedAt }), body }, headers)
      assert.deepEqual(decodeDump(dump), {
        queue: 'worker/check',
        body,
        headers: { 'x-failures': headers['x-failures'], 'x-visited': '["a"]', traceparent: '00-1-2-01' },
      })
    })
  }
}

test('a dump with counters written into its headers by hand still starts with a fresh count', () => {
  const counters = { ...headers, 'x-cause': '{"code":"CRITS_AUTH","since":1,"tries":1}' }
  const dump = { Service: 's', Queue: 'q', Error: 'e', Desc: 'd', Msg: 'm', FailedAt: '', Headers: counters }
  assert.deepEqual(decodeDump(Buffer.from(JSON.stringify(dump))).headers, {
    'x-visited': '["a"]',
    traceparent: '00-1-2-01',
  })
})

test('that a message may be a repeat outlasts its dump: its analysis is looked for before another begins', () => {
  const dump = dumpOf({ ...failedFields('worker/check'), body: Buffer.from('m') }, { 'x-seen': 1 })
  assert.deepEqual(decodeDump(dump).headers, { 'x-seen': 1 })
})

test('a FailedMsg that the Go suite dumped is a dump, its quoted Msg included', () => {
  const go = { Service: 's', Queue: 'worker/check', Error: 'e', Desc: 'd', Msg: JSON.stringify('{"a":1}') }
  const revived = { queue: 'worker/check', body: Buffer.from('{"a":1}'), headers: {} }
  assert.deepEqual(decodeDump(Buffer.from(JSON.stringify(go))), revived)
})

test('a dump that an editor has saved with a byte order mark is a dump', () => {
  const dump = dumpOf({ ...failedFields('worker/check'), body: Buffer.from('m') }, {})
  assert.equal(decodeDump(Buffer.concat([Buffer.from('\ufeff'), dump])).queue, 'worker/check')
})

test('a history that cannot be read keeps no dump back', () => {
  const dump = {
    Service: 's',
    Queue: 'q',
    Error: 'e',
    Desc: 'd',
    Msg: 'm',
    FailedAt: '',
    History: [{ At: 1 }],
    Headers: {},
  }
  assert.deepEqual(decodeDump(Buffer.from(JSON.stringify(dump))).headers, {})
})

test('dumps are told by their names, of this suite and of the Go suite', () => {
  const name = dumpName('2026-01-02T03:04:05.678Z', Buffer.from('a'), 'json')
  const names = [name, dumpName('', Buffer.from('a'), 'json'), dumpName('', Buffer.from('a'), 'bin'), '1437000000_0']
  assert.deepEqual(names.filter(isDumpName), names)
  const others = [
    `${name}.bak`,
    `${name}~`,
    `copy-${name}`,
    `.${name}`,
    '1437000000',
    '_0',
    '1437000000_0.bak',
    `${name}\n`,
  ]
  assert.deepEqual(others.filter(isDumpName), [])
})

const strangers: [string, string][] = [
  ['text', 'not JSON'],
  ['nothing', ''],
  ['other JSON', '{"TaskId":1}'],
  ['a FailedMsg without a queue', '{"Service":"s","Queue":"","Error":"e","Desc":"d","Msg":"m"}'],
  ['a damaged MsgBase64', '{"Queue":"q","MsgBase64":"*A==","Headers":{}}'],
]
for (const [name, text] of strangers) {
  test(`${name} is no dump`, () => {
    assert.throws(() => decodeDump(Buffer.from(text)), InvalidMessageError)
  })
}

test('the same bytes get the same name, other bytes or another time another one', () => {
  const at = '2026-01-02T03:04:05.678Z'
  const name = dumpName(at, Buffer.from('a'), 'json')
  assert.equal(name, '20260102T030405.678Z-ca978112ca1bbdcafac231b39a23dc4d.json')
  assert.equal(dumpName(at, Buffer.from('a'), 'json'), name)
  assert.notEqual(dumpName(at, Buffer.from('b'), 'json'), name)
  assert.notEqual(dumpName('2026-01-02T03:04:05.679Z', Buffer.from('a'), 'json'), name)
})

test('a FailedAt that is no time of ours never gets into a file name', () => {
  for (const failedAt of ['', '../../etc/passwd', '2026-01-02T03:04:05.678Z/..', 'today']) {
    assert.equal(dumpName(failedAt, Buffer.from('a'), 'bin'), 'ca978112ca1bbdcafac231b39a23dc4d.bin')
  }
})
