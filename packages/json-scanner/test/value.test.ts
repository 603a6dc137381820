import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonError } from '../src/error.js'
import { MAX_DEPTH, parseJson } from '../src/value.js'

// A NaN in front sends the same text through the parser that tolerates it.
const tolerant = (text: string): unknown => {
  const list = parseJson(`[NaN,${text}]`)
  assert.ok(Array.isArray(list))
  return list[1]
}

test('arbitrary JSON has the value that JSON.parse gives it, also beside what only Python writes', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, 4), (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      if (/\d{16}/.test(text)) return
      assert.deepEqual(parseJson(text), JSON.parse(text))
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
          assert.throws(() => parseJson(damaged), { code: 'syntax' })
          return
        }
        assert.deepEqual(parseJson(damaged), expected)
      },
    ),
  )
})

test('what Python writes beyond JSON becomes null, and control characters stay', () => {
  assert.deepEqual(parseJson('[NaN, Infinity, -Infinity, "a\u0001\n\tb"]'), [null, null, null, 'a\u0001\n\tb'])
})

test("what only looks like Python's words stays, or is refused", () => {
  const text = '{"a": [NaN, -1], "NaN": "x\\" NaN \\\\", "b": "-Infinity"}'
  assert.deepEqual(parseJson(text), { a: [null, -1], NaN: 'x" NaN \\', b: '-Infinity' })
  for (const wrong of ['', '{', '{"a": NaNa}', 'NaN NaN', '{"a": NaN', '{NaN: 1}', '-NaN', '+Infinity']) {
    assert.throws(() => parseJson(wrong), { code: 'syntax' }, wrong)
  }
})

test('integers that a double cannot hold keep their digits', () => {
  assert.deepEqual(parseJson('[9007199254740993, -9223372036854775808, 9007199254740991, 1234567890123456.5]'), [
    '9007199254740993',
    '-9223372036854775808',
    9007199254740991,
    1234567890123456.5,
  ])
  assert.equal(parseJson('18446744073709551615'), '18446744073709551615')
  assert.equal(parseJson('-9007199254740993'), '-9007199254740993')
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
      () => parseJson(text),
      (error: unknown) => error instanceof JsonError && error.code === 'syntax' && error.offset === index,
      text,
    )
  }
})

test('a key that is repeated has its last value, and __proto__ is a key like any other', () => {
  assert.deepEqual(parseJson('{"a":1,"b":NaN,"a":2}'), { a: 2, b: null })
  assert.deepEqual(Object.keys(Object(parseJson('{"__proto__":{"x":1},"b":NaN}'))), ['__proto__', 'b'])
})

test('containers may stand in each other up to the limit, and no deeper', () => {
  const nested = (depth: number, inner: string): string => '['.repeat(depth) + inner + ']'.repeat(depth)
  const inObjects = (depth: number, inner: string): string => '{"a":'.repeat(depth) + inner + '}'.repeat(depth)
  for (const inner of ['1', 'NaN']) {
    assert.ok(parseJson(inObjects(MAX_DEPTH, inner)))
    assert.throws(() => parseJson(inObjects(MAX_DEPTH + 1, inner)), { code: 'too-deep' })
    assert.ok(Array.isArray(parseJson(nested(MAX_DEPTH, inner))))
    assert.throws(() => parseJson(nested(MAX_DEPTH + 1, inner)), { code: 'too-deep' })
    assert.throws(() => parseJson(nested(100_000, inner)), { code: 'too-deep' })
  }
})
