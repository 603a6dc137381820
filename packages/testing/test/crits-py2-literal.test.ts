import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bsonFromPython, bsonSize } from '../src/crits/bson.js'
import { parsePy2Literal } from '../src/crits/py2-literal.js'

const stored = (text: string) => bsonFromPython(parsePy2Literal(text))

// Outcomes of CPython 2.7.18: ast.literal_eval(unicode text), strings decoded as UTF-8 as the database does.
const ACCEPTED: readonly (readonly [string, unknown])[] = [
  ['{}', {}],
  ['[]', []],
  ['""', ''],
  ['()', []],
  ['(1,)', [1]],
  ['1,2', [1, 2]],
  ['(1)', 1],
  ['{"k":True,"n":None,"f":False}', { k: true, n: null, f: false }],
  ['{"a":1,"b":-2,"c":1.5,"d":010,"e":0x1f,"f":0o17,"g":0b11}', { a: 1, b: -2, c: 1.5, d: 8, e: 31, f: 15, g: 3 }],
  ['[1L,0x10L,- 1,-0x1f,09.5,.5,1.,1e+21,-1.5e3]', [1, 16, -1, -31, 9.5, 0.5, 1, 1e21, -1500]],
  ['1e999', Number.POSITIVE_INFINITY],
  ['9223372036854775807', 9223372036854775807n],
  ['{"a":[1,{"b":["c"]}]}', { a: [1, { b: ['c'] }] }],
  ['{"a":1,}', { a: 1 }],
  ['{"a":1,"a":2}', { a: 2 }],
  ['{"k":"Grüße 🎉"}', { k: 'Grüße 🎉' }],
  ['"\\u003c"', '\\u003c'],
  ['"\\u00fc\\ud83c\\udf89"', '\\u00fc\\ud83c\\udf89'],
  ['u"\\u00e9"', 'é'],
  ['u"\\ud83d\\ude00"', '😀'],
  ['u"\\U0001f600"', '😀'],
  ['"a\\/b\\nc\\"d\\\\e\\u0041"', 'a\\/b\nc"d\\e\\u0041'],
  ['"C:\\\\temp\\\\new"', 'C:\\temp\\new'],
  ['"\\b\\f\\r\\t\\a\\v\\0\\x00\\x7f\\101"', '\b\f\r\t\x07\v\0\0\x7fA'],
  ['"\\xc3\\xbc"', 'ü'],
  ['"\x01\x1f\t\u2028\ufeff"', '\x01\x1f\t\u2028\ufeff'],
  ['"a\\\nb"', 'ab'],
  ['"""a\nb"""', 'a\nb'],
  ["'it\\'s'", "it's"],
  ['"a" "b"', 'ab'],
  ['"a" u"\\u00e9"', 'aé'],
  ['br"x\\n"', 'x\\n'],
  ['\n{}', {}],
  ['# x\n{}', {}],
  ['{} ', {}],
  ['{}\r\n', {}],
  ['{} # x', {}],
  ['{\n  "a": 1\n}\n', { a: 1 }],
  ['["a"\n"b"]', ['ab']],
]

const REFUSED: readonly (readonly [string, string])[] = [
  ['true', 'ValueError'],
  ['{"k":false}', 'ValueError'],
  ['{"a":[{"b":null}]}', 'ValueError'],
  ['NaN', 'ValueError'],
  ['Infinity', 'ValueError'],
  ['hello', 'ValueError'],
  ['{1}', 'ValueError'],
  ['"\\x4"', 'ValueError'],
  ['', 'SyntaxError'],
  ['\n', 'SyntaxError'],
  ['\ufeff{}', 'SyntaxError'],
  [' {}', 'IndentationError'],
  ['\t{}', 'IndentationError'],
  ['\n {}', 'IndentationError'],
  ['"a\nb"', 'SyntaxError'],
  ['"a\rb"', 'SyntaxError'],
  ['"a\0b"', 'TypeError'],
  ['"a', 'SyntaxError'],
  ['08', 'SyntaxError'],
  ['1a', 'SyntaxError'],
  ['1+2', 'SyntaxError'],
  ['1j', 'SyntaxError'],
  ['{"a" 1}', 'SyntaxError'],
  ['[1 2]', 'SyntaxError'],
  ['[1', 'SyntaxError'],
  ['[,]', 'SyntaxError'],
  ['{} {}', 'SyntaxError'],
  ['{"k":__import__("os")}', 'ValueError'],
  ['"ü" u"b"', 'SyntaxError'],
  ['"a"\n"b"', 'SyntaxError'],
  ['u"\\u12"', 'SyntaxError'],
  ['"\ud800"', 'InvalidStringData'],
]

describe('a Python 2 literal', () => {
  for (const [text, value] of ACCEPTED) {
    test(`${JSON.stringify(text)} is stored`, () => assert.deepEqual(stored(text), value))
  }
  for (const [text, pythonError] of REFUSED) {
    test(`${JSON.stringify(text)} is a ${pythonError}`, () => {
      assert.throws(() => parsePy2Literal(text), { code: 'ERR_PY2_LITERAL', pythonError })
    })
  }
  test('may be nested 90 levels deep and not 91', () => {
    const nested = (depth: number) => `${'{"a":['.repeat(depth / 2)}${']}'.repeat(depth / 2)}`
    parsePy2Literal(nested(90))
    assert.throws(() => parsePy2Literal(`[${nested(90)}]`), { pythonError: 'MemoryError' })
  })
})

describe('the database', () => {
  for (const text of [
    '9223372036854775808',
    '-9223372036854775809',
    '"\\xe9"',
    'u"\\ud800"',
    '{1:2}',
    '{"a\\x00":1}',
  ]) {
    test(`refuses ${text}`, () => assert.throws(() => stored(text), { code: 'ERR_BSON' }))
  }
  for (const [text, key] of [
    ['{"a.b":1}', 'a.b'],
    ['{"k":[{"$set":1}]}', '$set'],
  ] as const) {
    test(`refuses the key ${key} and names it`, () => assert.throws(() => stored(text), { code: 'ERR_BSON', key }))
  }
  test('counts bytes as BSON does', () => {
    // Of the BSON specification: {"BSON": ["awesome", 5.05, 1986]} has 49 bytes.
    assert.equal(bsonSize({ BSON: ['awesome', 5.05, 1986] }), 49)
    assert.equal(bsonSize({ hello: 'world' }), 22)
  })
})
