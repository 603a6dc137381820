import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJson } from '../src/parse-json.js'

test('NaN and the infinities of Python are null, but not inside texts', () => {
  const text = '{"a": [NaN, -Infinity, Infinity, -1], "NaN": "x\\" NaN \\\\", "b": "-Infinity", "c": NaN}'
  assert.deepEqual(parseJson(text), { a: [null, null, null, -1], NaN: 'x" NaN \\', b: '-Infinity', c: null })
})

for (const text of ['', '{', '{"a": NaNa}', 'NaN NaN', '{"a": NaN', '{NaN: 1}']) {
  test(`is no JSON: ${text}`, () => assert.throws(() => parseJson(text), SyntaxError))
}
