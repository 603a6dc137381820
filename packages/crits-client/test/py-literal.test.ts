import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { cutText, encodeLiteral, NO_LIMITS, type PyValue, pyLiteral } from '../src/py-literal.js'
import { type Literal, readLiteral } from './read-literal.js'

const TABLE: readonly (readonly [claim: string, value: PyValue, literal: string])[] = [
  ['booleans are capitalised', { a: true, b: false }, '{"a": True, "b": False}'],
  ['null and undefined are blank and keep their key', { a: null, b: undefined }, '{"a": "", "b": ""}'],
  ['integers are digits', [0, -0, 7, -1, 2 ** 53 - 1], '[0, 0, 7, -1, 9007199254740991]'],
  [
    'integers beyond 2⁵³−1 are strings',
    [2 ** 53, -(2 ** 53), 1e21],
    '["9007199254740992", "-9007199254740992", "1e+21"]',
  ],
  [
    'big integers are strings beyond 2⁵³−1',
    [5n, 2n ** 63n, -(2n ** 64n)],
    '[5, "9223372036854775808", "-18446744073709551616"]',
  ],
  ['fractions are decimal', [1.5, -1.5e-7], '[1.5, -1.5e-7]'],
  ['numbers without a literal are strings', [Number.NaN, Infinity, -Infinity], '["NaN", "Infinity", "-Infinity"]'],
  ['quotes and backslashes are escaped', 'a"b\\c', '"a\\"b\\\\c"'],
  ['a slash and an apostrophe stay', "/'", '"/\'"'],
  ['line ends and tabs have names', '\n\r\t', '"\\n\\r\\t"'],
  ['other control characters are \\xNN, not \\u00NN', '\0\b\f\u001f\u007f', '"\\x00\\x08\\x0c\\x1f\\x7f"'],
  ['text beyond ASCII is raw', 'é\u0085\u2028😀<&>', '"é\u0085\u2028😀<&>"'],
  ['lone surrogates become U+FFFD', '\ud800a\udc00', '"\ufffda\ufffd"'],
  ['empty containers stay', { a: [], b: {} }, '{"a": [], "b": {}}'],
  ['keys that replace columns are renamed', { result: 1, subtype: 2 }, '{"result_": 1, "subtype_": 2}'],
  ['keys that break the page are renamed at any depth', [{ _cls: 1, items: 2 }], '[{"_cls_": 1, "items_": 2}]'],
  [
    'keys that MongoDB refuses are renamed',
    { $a: 1, 'b.c': 2, 'd\0': 3, e$: 4 },
    '{"_a": 1, "b_c": 2, "d_": 3, "e$": 4}',
  ],
  ['renamed keys stay distinct', { 'a.b': 1, a_b: 2, 'a\0b': 3 }, '{"a_b": 1, "a_b_": 2, "a_b__": 3}'],
]

describe('pyLiteral', () => {
  for (const [claim, value, literal] of TABLE) it(claim, () => assert.equal(pyLiteral(value), literal))

  it('nests at most 20 levels', () => {
    let deep: PyValue = 'bottom'
    for (let level = 0; level < 30; level += 1) deep = [deep]
    assert.equal(pyLiteral(deep), `${'['.repeat(20)}"… (nested too deep)"${']'.repeat(20)}`)
  })

  it('is read back as the same value', () => {
    const { value } = fc.letrec<{ value: PyValue }>(tie => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.string({ unit: 'binary' }),
        fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\0', 'n', 'x', '\ud800', '😀', "'") }),
        fc.integer(),
        fc.double(),
        fc.bigInt(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value')),
        fc.dictionary(fc.string(), tie('value')),
      ),
    }))
    fc.assert(fc.property(value, made => assert.deepEqual(readLiteral(pyLiteral(made)), expected(made))))
  })
})

describe('limits', () => {
  it('a long string is cut with its full length in the marker', () => {
    assert.deepEqual(encodeLiteral(['abcdef', 'abc'], { ...NO_LIMITS, valueChars: 3 }), {
      literal: '["abc… (cut, 6 characters)", "abc"]',
      storedBytes: 2 * 16 + Buffer.byteLength('abc… (cut, 6 characters)') + 3,
      cuts: 1,
    })
  })

  it('a surrogate pair is not cut in half', () => assert.equal(cutText('a😀b', 2), 'a… (cut, 4 characters)'))

  it('a long list of objects ends in a marker with the same keys', () => {
    const row = { name: 'n', value: 'v' }
    assert.equal(
      pyLiteral([row, row, row], { ...NO_LIMITS, listItems: 1 }),
      '[{"name": "n", "value": "v"}, {"name": "… (cut, 3 elements)", "value": ""}]',
    )
  })
})

/** What CRITs should end up with, for keys and values as they are before encoding. */
function expected(value: PyValue): Literal {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isSafeInteger(value) || value % 1 ? value + 0 : String(value)
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (Array.isArray(value)) return value.map(expected)
  const map = new Map<string, Literal>()
  for (const [key, item] of Object.entries(value)) {
    let name = /^(?:result|subtype|_cls|items)$/.test(key)
      ? `${key}_`
      : key.replaceAll(/[.\0]/g, '_').replace(/^\$/, '_')
    while (map.has(name)) name += '_'
    map.set(name, expected(item))
  }
  return map
}
