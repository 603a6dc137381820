/** Parameters as texts, and what they mean. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyRequest } from 'fastify'
import { ApiError } from '../src/server/errors.js'
import {
  checkedText,
  jsonFields,
  queryOf,
  readCount,
  readInteger,
  readSwitch,
  withQuery,
} from '../src/server/fields.js'

/** As much of a request as is read. */
function asking(query: unknown): FastifyRequest {
  return Object.assign(Object.create(null), { query })
}

function refused(work: () => unknown, message: RegExp): void {
  assert.throws(
    work,
    (error: unknown) => error instanceof ApiError && error.status === 400 && message.test(error.message),
  )
}

const given = (value: string) => new Map([['n', value]])

test('the query string goes before the body, and of a repeated parameter the first counts', () => {
  const body = [
    ['a', 'body'],
    ['b', 'body'],
  ] as const
  assert.deepEqual(
    [...withQuery(asking({ a: ['query', 'again'], c: '' }), body)],
    [
      ['a', 'query'],
      ['b', 'body'],
      ['c', ''],
    ],
  )
  assert.deepEqual([...queryOf(asking(null)), ...queryOf(asking(undefined)), ...queryOf(asking('a=1'))], [])
})

test('a text that no database keeps is refused, wherever it stands', () => {
  refused(() => queryOf(asking({ custom: 'a\0b' })), /^Parameter custom holds a null character$/)
  refused(() => queryOf(asking({ custom: ['\0', 'x'] })), /custom/)
  refused(() => jsonFields({ custom: '\0' }), /custom/)
  assert.equal(checkedText('custom', 'ä\n'), 'ä\n')
})

test('of a JSON object texts, numbers and switches are fields', () => {
  const parsed = JSON.parse('{"a": "x", "b": 1.5, "c": true, "d": null, "e": [1], "f": {}, "__proto__": "y"}')
  assert.deepEqual(jsonFields(parsed), [
    ['a', 'x'],
    ['b', '1.5'],
    ['c', 'true'],
    ['__proto__', 'y'],
  ])
  for (const wrong of [[], ['a'], 'a', 1, null, undefined]) refused(() => jsonFields(wrong), /must be a JSON object/)
})

test('integers are those of Python, as far as they are exact', () => {
  const values = { '5': 5, ' 5 ': 5, '+5': 5, '-5': -5, '007': 7, '9007199254740991': 9007199254740991 }
  for (const [text, value] of Object.entries(values)) assert.equal(readInteger(given(text), 'n'), value, text)
  assert.equal(readInteger(new Map(), 'n'), undefined)
  for (const text of ['', ' ', '5.0', '1e3', '0x10', '5a', '--5', '9007199254740992', '-9007199254740993', 'NaN']) {
    refused(() => readInteger(given(text), 'n'), /^invalid literal for int\(\) with base 10: '/)
  }
  refused(
    () => readInteger(given('x'.repeat(1000)), 'n'),
    /^invalid literal for int\(\) with base 10: 'x{100}' in parameter n$/,
  )
})

test('counts are not negative', () => {
  assert.deepEqual(
    [readCount(given('0'), 'n'), readCount(given('7'), 'n'), readCount(new Map(), 'n')],
    [0, 7, undefined],
  )
  refused(() => readCount(given('-1'), 'n'), /^Parameter n must not be negative$/)
})

test('switches are words, whatever their case', () => {
  for (const on of ['1', 'true', 'True', 'YES', 'on']) assert.equal(readSwitch(given(on), 'n'), true, on)
  for (const off of ['0', 'false', 'False', 'no', 'OFF', 'None', ''])
    assert.equal(readSwitch(given(off), 'n'), false, off)
  assert.equal(readSwitch(new Map(), 'n'), undefined)
  for (const wrong of ['2', 'maybe', ' 1', 'nein'])
    refused(() => readSwitch(given(wrong), 'n'), /^Parameter n must be 1, true/)
})
