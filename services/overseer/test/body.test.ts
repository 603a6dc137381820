import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidMessageError } from '@cuckoo-distributed/core'
import { Body } from '../src/body.js'
import { readFailed } from '../src/failed-message.js'
import { taskBody, wrapped } from './support.js'

const { CritsData } = JSON.parse(taskBody('a-1'))
const findIn = (text: string) => readFailed(wrapped('q', text), {}).body.findSubject().crits

test('the analysis is found in either spelling of a message, before and behind a sample, and not invented', () => {
  const file = { name: 'a', data: 'A'.repeat(300_000) }
  for (const message of [
    { CritsData },
    { crits_data: CritsData },
    { file, crits_data: CritsData },
    { crits_data: CritsData, file },
    { crits_data: { ...CritsData, analysis_id: 'a-2' }, CritsData },
  ]) {
    assert.equal(findIn(JSON.stringify(message))?.analysisId, 'a-1')
  }
  for (const text of [
    'nonsense',
    '5',
    'null',
    '[]',
    '',
    '{"crits_data":null}',
    '{"CritsData":[1]}',
    '{"crits_data":{}}',
  ]) {
    assert.equal(findIn(text), undefined, text)
  }
})

test('what was said of the analysis before a message breaks off counts', () => {
  assert.equal(findIn(JSON.stringify({ CritsData, file: 'x' }).slice(0, -2))?.analysisId, 'a-1')
  assert.equal(findIn(`{"CritsData":${JSON.stringify(CritsData)}, oops`)?.analysisId, 'a-1')
})

test('a wrapped body is a part of its message, not a copy', () => {
  const message = wrapped('q', 'A'.repeat(100_000))
  const [, text] = [...readFailed(message, {}).body.toMember()]
  assert.equal(text?.buffer, message.buffer)
})

const broken = { Service: 's', Queue: 'q', Error: 'e', Desc: 'd', FailedAt: '' }
for (const [name, text] of [
  ['an escape that there is not', '\\x'],
  ['half an escape', '\\u12'],
  ['a line break', 'a\nb'],
  ['half an escape far behind', `${'A'.repeat(200_000)}\\u12`],
] as const) {
  test(`a Msg with ${name} is no failed message`, () => {
    const message = Buffer.from(JSON.stringify({ ...broken, Msg: '@' }).replace('@', () => text))
    assert.throws(() => readFailed(message, {}).body.findSubject().crits, InvalidMessageError)
  })
}

test('a Msg that is not UTF-8 is no failed message', () => {
  const [before = '', after = ''] = JSON.stringify({ ...broken, Msg: '@' }).split('@')
  const message = Buffer.concat([Buffer.from(before), Buffer.from([0xff]), Buffer.from(after)])
  assert.throws(() => readFailed(message, {}), InvalidMessageError)
})

test('of a key that comes twice the last counts', () => {
  const message = `{"Service":"s","Queue":"q","Error":"e","Desc":"d","Msg":"first","FailedAt":"","Msg":"last"}`
  assert.equal(readFailed(Buffer.from(message), {}).body.toBuffer().toString(), 'last')
})

test('a text that a Go stage has quoted loses its quotes, one of ours keeps them', () => {
  const go = { Service: 's', Queue: 'q', Error: 'e', Desc: 'd', Msg: JSON.stringify('{"a":1}') }
  const read = (message: object) =>
    readFailed(Buffer.from(JSON.stringify(message)), {})
      .body.toBuffer()
      .toString()
  assert.equal(read(go), '{"a":1}')
  assert.equal(read({ ...go, FailedAt: '2026-01-02T03:04:05.678Z' }), JSON.stringify('{"a":1}'))
  assert.equal(read({ ...go, FailedAt: '' }), JSON.stringify('{"a":1}'))
})

test('bytes that are not UTF-8 become base64 in pieces as at once', () => {
  for (const length of [1, 2, 3, 49_151, 49_152, 49_153, 150_000]) {
    const bytes = Buffer.alloc(length, Buffer.from([0xff, 0x00, 0x41]))
    const member = JSON.parse(`{${Buffer.concat([...Body.plain(bytes).toMember()])}}`)
    assert.deepEqual(member, { MsgBase64: bytes.toString('base64') })
  }
})
