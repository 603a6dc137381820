import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RowLog } from '../src/row-log.js'
import { type Cell, cutText, type RowToWrite, RowWriter } from '../src/row-writer.js'
import { expected, stored } from './stored.js'

const writer = new RowWriter()

function write(fields: Record<string, Cell>, result = 'r', maxChars = 65_536) {
  return written({ result, columns: Object.keys(fields), fields }, maxChars)
}

function written(row: RowToWrite, maxChars: number) {
  const log = new RowLog()
  const { storedBytes, cuts } = writer.write(log, row, maxChars)
  log.commit(storedBytes)
  const [result, literal] = [log.results, log.literals].map(values => values.slice(0, 1).toString().slice(0, -1))
  const texts: [string, string] = [JSON.parse(result ?? ''), JSON.parse(literal ?? '')]
  return { result: texts[0], literal: texts[1], bytes: log.bytes(0) - 2, storedBytes, cuts }
}

const TABLE: readonly (readonly [claim: string, value: Cell, literal: string])[] = [
  ['integers are digits', 7, '7'],
  ['minus zero is zero', -0, '0'],
  ['integers are digits up to 2⁵³−1', -(2 ** 53 - 1), '-9007199254740991'],
  ['integers beyond are text', 2 ** 53, '"9007199254740992"'],
  ['numbers without a literal are text', Number.NaN, '"NaN"'],
  ['fractions are text', 1.5, '"1.5"'],
  ['quotes and backslashes are escaped', 'a"b\\c', '"a\\"b\\\\c"'],
  ['a slash and an apostrophe stay', "/'", '"/\'"'],
  ['line ends and tabs have names', '\n\r\t', '"\\n\\r\\t"'],
  ['other control characters are \\xNN, not \\u00NN', '\0\b\f\u001f\u007f', '"\\x00\\x08\\x0c\\x1f\\x7f"'],
  ['text beyond ASCII is raw', 'é\u0085\u2028😀<&>', '"é\u0085\u2028😀<&>"'],
  ['ASCII behind other text is escaped, too', 'é"\\\n\u007f', '"é\\"\\\\\\n\\x7f"'],
  ['lone surrogates become U+FFFD', '\ud800a\udc00', '"\ufffda\ufffd"'],
  ['an empty list stays', [], '[]'],
  ['objects keep the order of their keys', [{ name: 'n', value: '"' }, {}], '[{"name": "n", "value": "\\""}, {}]'],
]

describe('RowWriter', () => {
  for (const [claim, value, literal] of TABLE)
    it(claim, () => assert.equal(write({ k: value }).literal, `{"k": ${literal}}`))

  it('separates columns as Python prints them, and leaves what is not there blank', () => {
    const row = { result: 'r', columns: ['a', 'b', 'c'], fields: { a: 'x', c: 1 } }
    assert.equal(written(row, 100).literal, '{"a": "x", "b": "", "c": 1}')
    assert.equal(write({}).literal, '{}')
  })

  it('is read back as the same values, by Python 2 and by JSON', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\0', 'n', 'x', '\ud800', '😀', "'", '\u007f') }),
    )
    const list = fc.array(fc.dictionary(fc.constantFrom('name', 'value'), text))
    const cell: fc.Arbitrary<Cell> = fc.oneof(text, fc.integer(), fc.double(), fc.maxSafeInteger(), list)
    fc.assert(
      fc.property(text, fc.dictionary(fc.constantFrom('a', 'b', 'c'), cell), (result, fields) => {
        const row = write(fields, result)
        assert.equal(row.result, result.toWellFormed())
        assert.deepEqual(stored(row.literal), expected(fields))
        assert.equal(row.cuts, 0)
      }),
    )
  })

  it('counts UTF-8 bytes of keys and values, 16 for each column or element, 8 for each number', () => {
    assert.equal(write({}, 'é').storedBytes, 2)
    assert.equal(write({}, 'ab"é\n').storedBytes, 6)
    assert.equal(write({ ab: 'é€😀\ud800x' }, '').storedBytes, 16 + 2 + 2 + 3 + 4 + 3 + 1)
    assert.equal(write({ a: 123456, b: 2 ** 60 }, '').storedBytes, 16 + 1 + 8 + 16 + 1 + String(2 ** 60).length)
    assert.equal(write({ a: [{ n: 'xy' }, {}] }, '').storedBytes, 16 + 1 + 2 * 16 + 16 + 1 + 2)
  })
})

describe('limits', () => {
  it('a long text is cut with its full length in the marker, one of exactly the limit is not', () => {
    const { result, literal, cuts } = write({ a: 'abc', b: 'abcd' }, 'wxyz', 3)
    assert.equal(result, 'wxy… (cut, 4 characters)')
    assert.equal(literal, '{"a": "abc", "b": "abc… (cut, 4 characters)"}')
    assert.equal(cuts, 2)
  })

  it('a surrogate pair is not cut in half', () => {
    assert.equal(cutText('a😀b', 2), 'a… (cut, 4 characters)')
    assert.equal(cutText('a😀b', 3), 'a😀… (cut, 4 characters)')
  })

  it('a list that is too long ends in a marker with the same keys, one of exactly the limit does not', () => {
    const row = { name: 'n', value: 'v' }
    const marked = write({ k: [row, row, row] }, '', 2)
    const marker = '{"name": "… … (cut, 19 characters)", "value": ""}'
    assert.equal(marked.literal, `{"k": [{"name": "n", "value": "v"}, {"name": "n", "value": "v"}, ${marker}]}`)
    assert.equal(write({ k: [row, row] }, '', 2).cuts, 0)
  })

  it('limits are halved until a row has at most 1,000,000 bytes, and no earlier', () => {
    const overhead = write({ k: '' }, '').bytes
    assert.equal(write({ k: 'x'.repeat(1_000_000 - overhead) }, '', 2_000_000).bytes, 1_000_000)
    const cut = write({ k: 'x'.repeat(1_000_001 - overhead) }, '', 1_000_000)
    assert.ok(cut.bytes > 499_000 && cut.bytes < 501_000 && cut.cuts === 1, `${cut.bytes} bytes`)
    const escaped = write({ k: '\u0001'.repeat(400_000) }, '\u0001'.repeat(400_000), 400_000)
    assert.ok(escaped.bytes <= 1_000_000 && escaped.cuts === 2)
  })
})
