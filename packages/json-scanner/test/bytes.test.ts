import assert from 'node:assert/strict'
import { test } from 'node:test'
import { escapedTextOf as escapedText, textOf } from '../src/bytes.js'
import { Skipper } from '../src/skipper.js'

const skipper = new Skipper()

function escapedTextOf(bytes: Buffer): string {
  skipper.load(bytes)
  return escapedText(bytes, from => skipper.beyondAscii(from, bytes.length))
}

const parsed = (text: string) => JSON.parse(text) as unknown

for (const [what, text] of [
  ['ASCII', '["C:\\\\a", "\\u00fc\\n"]'],
  ['letters of one, two and four bytes', '["ü", "Админ", "ド", "😀", "\\u00fcü"]'],
  ['letters behind escaped backslashes', '["C:\\\\Üser", "\\\\\\\\ü", "\\"ü"]'],
  ['letters as keys, and at the very ends', '{"ü": "ä"}'],
  [
    'letters at every place of a block',
    `[${Array.from({ length: 1100 }, (_, at) => `"${'x'.repeat(at % 7)}ß"`).join(',')}]`,
  ],
  ['more letters than a block', `["${'ж'.repeat(1500)}"]`],
] satisfies [string, string][]) {
  test(`text with ${what} is ASCII that means the same`, () => {
    const bytes = Buffer.from(text)
    const escaped = escapedTextOf(bytes)
    assert.match(escaped, /^[\0-\x7f]*$/)
    assert.deepEqual(parsed(escaped), parsed(text))
  })
}

test('bytes that are no UTF-8 become what they are decoded to', () => {
  for (const bytes of ['22ff22', '22c322', '22f09f9822', '22c3c3a422', '22e2ff82ac22']) {
    const buffer = Buffer.from(bytes, 'hex')
    assert.equal(parsed(escapedTextOf(buffer)), parsed(textOf(buffer)))
  }
})

test('what is no JSON does not become JSON: a letter behind a lone backslash, and outside of strings', () => {
  for (const text of ['"\\ü"', '"\\\\\\ü"', 'ü', '["a" ü]']) {
    assert.throws(() => parsed(escapedTextOf(Buffer.from(text))), SyntaxError, text)
  }
})

test('the first byte that is not ASCII is found at every place, and none behind the end', () => {
  for (let length = 0; length < 70; length++) {
    const bytes = Buffer.alloc(length, 'x')
    for (let at = 0; at < length; at++) {
      bytes.fill('x').writeUInt8(at % 2 === 0 ? 0x80 : 0xff, at)
      skipper.load(bytes)
      const found = (from: number, end: number) => skipper.beyondAscii(from, end)
      assert.deepEqual([found(0, length), found(at, length), found(at + 1, length), found(0, at)], [at, at, length, at])
    }
  }
})
