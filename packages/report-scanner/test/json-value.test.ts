import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonDepthError, JsonSyntaxError, MAX_DEPTH, parseValue } from '../src/json-value.js'

// A NaN in front sends the same text through the parser that tolerates it.
const tolerant = (text: string): unknown => {
  const list = parseValue(`[NaN,${text}]`)
  assert.ok(Array.isArray(list))
  return list[1]
}

test('arbitrary JSON has the value that JSON.parse gives it, also beside what only Python writes', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, 4), (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      if (/\d{16}/.test(text)) return
      assert.deepEqual(parseValue(text), JSON.parse(text))
      assert.deepEqual(tolerant(text), JSON.parse(text))
    }),
  )
})

test('damaged JSON is refused wherever JSON.parse refuses it', () => {
  fc.assert(
    fc.property(
      fc.json({ maxDepth: 3 }),
      fc.nat(),
      fc.constantFrom('', '"', ',', '{', ']', '\\', 'x', '0'),
      (text, at, inserted) => {
        const place = at % (text.length + 1)
        const damaged = text.slice(0, place) + inserted + text.slice(place + 1)
        if (/\d{16}/.test(damaged)) return
        let expected: unknown
        try {
          expected = JSON.parse(damaged)
        } catch {
          assert.throws(() => parseValue(damaged), JsonSyntaxError)
          return
        }
        assert.deepEqual(parseValue(damaged), expected)
      },
    ),
  )
})

test('what Python writes beyond JSON becomes null, and control characters stay', () => {
  assert.deepEqual(parseValue('[NaN, Infinity, -Infinity, "a\u0001\n\tb"]'), [null, null, null, 'a\u0001\n\tb'])
})

test('integers that a double cannot hold keep their digits', () => {
  assert.deepEqual(parseValue('[9007199254740993, -9223372036854775808, 9007199254740991, 1234567890123456.5]'), [
    '9007199254740993',
    '-9223372036854775808',
    9007199254740991,
    1234567890123456.5,
  ])
  assert.equal(parseValue('18446744073709551615'), '18446744073709551615')
})

test('a syntax error tells the position of the first wrong character', () => {
  for (const [text, index] of [
    ['{"a":tru}', 5],
    ['[1,]', 3],
    ['{"a" 1}', 5],
    ['["\\q"]', 2],
    ['[1 2]', 3],
    ['"a', 2],
    ['[NaN,+1]', 5],
  ] as const) {
    assert.throws(
      () => parseValue(text),
      (error: unknown) => error instanceof JsonSyntaxError && error.index === index,
      text,
    )
  }
})

test('a key that is repeated has its last value, and __proto__ is a key like any other', () => {
  assert.deepEqual(parseValue('{"a":1,"b":NaN,"a":2}'), { a: 2, b: null })
  assert.deepEqual(Object.keys(Object(parseValue('{"__proto__":{"x":1},"b":NaN}'))), ['__proto__', 'b'])
})

test('containers may stand in each other up to the limit, and no deeper', () => {
  const nested = (depth: number, inner: string): string => '['.repeat(depth) + inner + ']'.repeat(depth)
  for (const inner of ['1', 'NaN']) {
    assert.ok(Array.isArray(parseValue(nested(MAX_DEPTH, inner))))
    assert.throws(() => parseValue(nested(MAX_DEPTH + 1, inner)), JsonDepthError)
    assert.throws(() => parseValue(nested(100_000, inner)), JsonDepthError)
  }
})
